import type { Plain } from "../core/ports/engine.ts";

export type StoredObject = { readonly [name: string]: Plain };

/** @throws {Error} if it is none */
export function objectIn(value: Plain | undefined): StoredObject {
  if (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  ) {
    return value as StoredObject;
  }
  throw new Error("a stored value is not an object");
}

/** @throws {Error} if it is absent, or no text */
export function stringIn(stored: StoredObject, name: string): string {
  const value = stored[name];
  if (typeof value === "string") return value;
  throw new Error(`${name} is not text`);
}

/** @throws {Error} if it is absent, or no list of texts */
export function stringsIn(stored: StoredObject, name: string): readonly string[] {
  const value = stored[name];
  if (Array.isArray(value) && value.every((element) => typeof element === "string")) return value;
  throw new Error(`${name} is not a list of texts`);
}

/** Undefined where it is not set; `null` is how some stores keep that. @throws {Error} if it is no number */
export function numberIn(stored: StoredObject, name: string): number | undefined {
  const value = stored[name] ?? undefined;
  if (value === undefined || typeof value === "number") return value;
  throw new Error(`${name} is not a number`);
}

/** As {@link numberIn}. */
export function optionalStringIn(stored: StoredObject, name: string): string | undefined {
  return stored[name] == null ? undefined : stringIn(stored, name);
}
