import type { AccessToken, Scope } from "../core/access/access-token.ts";
import { parsePolicyEntries } from "../core/access/policy-entry.ts";
import type { Plain } from "../core/ports/engine.ts";

/** A token as it is kept. */
export interface StoredToken extends AccessToken {
  /** SHA-256 of the key. */
  readonly keyHash: Uint8Array;
  /** The broker's own admin token, of which there is one. */
  readonly isBuiltIn: boolean;
  /** As of the last save; the store knows the present one. */
  readonly lastUsedAtMs: number | undefined;
  /** Rises with each save, so that late news of an older state is recognised. */
  readonly version: number;
}

type PlainObject = { readonly [name: string]: Plain };

/** For the engine's key-value store. */
export function encodeStoredToken(token: StoredToken): Plain {
  return { ...token, acl: token.acl.map((entry) => ({ ...entry })) };
}

/** @throws {Error} if the value is not what `encodeStoredToken` makes: the store is damaged or newer than this broker */
export function decodeStoredToken(value: Plain): StoredToken {
  const stored = objectIn(value);
  const keyHash = stored["keyHash"];
  if (!(keyHash instanceof Uint8Array)) throw new Error("keyHash is not bytes");
  return {
    id: stringIn(stored, "id"),
    name: stringIn(stored, "name"),
    subject: stringIn(stored, "subject"),
    tenant: stringIn(stored, "tenant"),
    acl: parsePolicyEntries(stored["acl"]),
    ttlS: numberIn(stored, "ttlS"),
    expiresAtMs: numberIn(stored, "expiresAtMs"),
    enabled: stored["enabled"] === true,
    scopes: stringsIn(stored, "scopes") as readonly Scope[],
    clientIds: stringsIn(stored, "clientIds"),
    origins: stringsIn(stored, "origins"),
    networks: stringsIn(stored, "networks"),
    metadata: objectIn(stored["metadata"]),
    mintedBy: stored["mintedBy"] == null ? undefined : stringIn(stored, "mintedBy"),
    createdAtMs: numberIn(stored, "createdAtMs") ?? 0,
    lastUsedAtMs: numberIn(stored, "lastUsedAtMs"),
    keyHash,
    isBuiltIn: stored["isBuiltIn"] === true,
    version: numberIn(stored, "version") ?? 0,
  };
}

function objectIn(value: Plain): PlainObject {
  if (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  ) {
    return value as PlainObject;
  }
  throw new Error("a stored token is not an object");
}

function stringIn(stored: PlainObject, name: string): string {
  const value = stored[name];
  if (typeof value === "string") return value;
  throw new Error(`${name} is not text`);
}

function stringsIn(stored: PlainObject, name: string): readonly string[] {
  const value = stored[name];
  if (Array.isArray(value) && value.every((element) => typeof element === "string")) return value;
  throw new Error(`${name} is not a list of texts`);
}

/** Absent where it is not set; `null` is how some stores keep that. */
function numberIn(stored: PlainObject, name: string): number | undefined {
  const value = stored[name] ?? undefined;
  if (value === undefined || typeof value === "number") return value;
  throw new Error(`${name} is not a number`);
}
