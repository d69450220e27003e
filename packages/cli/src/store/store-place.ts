import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError, loadConfig, StoreError } from "@weir/server";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";

export interface PlaceFlags {
  readonly data?: string;
  readonly config?: string;
  readonly json?: true;
}

/** Where things are. */
export interface StorePlace {
  /** The data directory. */
  readonly data: string;
  /** What the engine keeps in it. */
  readonly store: string;
  readonly backups: string;
}

/**
 * The data directory, as `weir serve` would take it.
 *
 * @throws {CommandFailure} when it takes the configuration to know, and that is wrong
 */
export function placeOf(flags: PlaceFlags, { environment }: CommandContext): StorePlace {
  const data = resolve(flags.data ?? configuredData(flags, environment));
  return { data, store: join(data, "store"), backups: join(data, "backups") };
}

/** Of a backup, or of a data directory. */
export function storeDirectoryOf(directory: string): string {
  const given = resolve(directory);
  const isStore = existsSync(join(given, "format")) || existsSync(join(given, "format.copy"));
  return isStore || !existsSync(join(given, "store")) ? given : join(given, "store");
}

function configuredData(flags: PlaceFlags, environment: CommandContext["environment"]): string {
  try {
    return loadConfig({ file: flags.config ?? environment["WEIR_CONFIG"], environment, flags: [] }).data;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CommandFailure(`${error.message}\nOr name the data directory: --data DIR`);
  }
}

/** Turns what a store or the system says no to into a sentence. */
export async function settleInStore<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof StoreError) throw new CommandFailure(storeErrorText(error));
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    if (code === "EACCES" || code === "EPERM")
      throw new CommandFailure(`${(error as Error).message}: do it as the user that the broker runs as.`);
    if (code === "ENOSPC" || code === "EDQUOT")
      throw new CommandFailure(`${(error as Error).message}: make room, or name a place on another disk.`);
    throw code === undefined ? error : new CommandFailure((error as Error).message);
  }
}

function storeErrorText({ code, message }: StoreError): string {
  return code === "not-a-store" && message.endsWith("of Weir")
    ? `${message}: name one with --data DIR, or a backup. A broker with the engine memory keeps none.`
    : message;
}
