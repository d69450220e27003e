import type { GivenValue } from "./config-source.ts";
import { settings, type Setting } from "./settings.ts";

/** The values of all keys, given or default, by path. */
export class SettingValues {
  readonly #given: ReadonlyMap<string, GivenValue>;

  constructor(given: ReadonlyMap<string, GivenValue>) {
    this.#given = given;
  }

  get(path: string): unknown {
    return this.#given.has(path) ? this.#given.get(path)?.value : settingAt(path).fallback;
  }

  // The kinds below are what `typeProblems` has checked before anybody asks.

  text(path: string): string {
    return this.get(path) as string;
  }

  optionalText(path: string): string | undefined {
    return this.get(path) as string | undefined;
  }

  number(path: string): number {
    return this.get(path) as number;
  }

  flag(path: string): boolean {
    return this.get(path) as boolean;
  }

  items(path: string): readonly string[] {
    return this.get(path) as readonly string[];
  }

  /** Where the value was set, for messages. */
  origin(path: string): string {
    return this.#given.get(path)?.origin ?? "the default";
  }
}

function settingAt(path: string): Setting {
  const setting = settings.find((known) => known.path === path);
  if (!setting) throw new Error(`${path} is no setting`);
  return setting;
}
