import type { AccessToken, Scope, TokenOrigin } from "../core/access/access-token.ts";
import { parsePolicyEntries } from "../core/access/policy-entry.ts";
import type { Plain } from "../core/ports/engine.ts";
import { decodeLimits, decodeMint, encodeMint } from "./mint-record.ts";
import { numberIn, objectIn, optionalStringIn, stringIn, stringsIn } from "./stored-fields.ts";

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

/** For the engine's key-value store. */
export function encodeStoredToken(token: StoredToken): Plain {
  const acl = token.acl.map((entry) => ({ ...entry }));
  const mint = token.mint && encodeMint(token.mint);
  return { ...token, acl, mint, limits: { ...token.limits }, origin: encodeOrigin(token.origin) };
}

/** @throws {Error} if the value is not what `encodeStoredToken` makes: the store is damaged or newer than this broker */
export function decodeStoredToken(value: Plain): StoredToken {
  const stored = objectIn(value);
  const keyHash = stored["keyHash"];
  if (!(keyHash instanceof Uint8Array)) throw new Error("keyHash is not bytes");
  return {
    id: stringIn(stored, "id"),
    name: stringIn(stored, "name"),
    username: optionalStringIn(stored, "username"),
    passwordVerifier: optionalStringIn(stored, "passwordVerifier"),
    subject: stringIn(stored, "subject"),
    tenant: stringIn(stored, "tenant"),
    acl: parsePolicyEntries(stored["acl"]),
    policies: "policies" in stored ? stringsIn(stored, "policies") : [],
    ttlS: numberIn(stored, "ttlS"),
    expiresAtMs: numberIn(stored, "expiresAtMs"),
    enabled: stored["enabled"] === true,
    scopes: stringsIn(stored, "scopes") as readonly Scope[],
    mint: stored["mint"] == null ? undefined : decodeMint(stored["mint"]),
    limits: decodeLimits(stored["limits"]),
    clientIds: stringsIn(stored, "clientIds"),
    origins: stringsIn(stored, "origins"),
    networks: stringsIn(stored, "networks"),
    metadata: objectIn(stored["metadata"]),
    mintedBy: optionalStringIn(stored, "mintedBy"),
    origin: decodeOrigin(stored["origin"]),
    createdAtMs: numberIn(stored, "createdAtMs") ?? 0,
    lastUsedAtMs: numberIn(stored, "lastUsedAtMs"),
    keyHash,
    isBuiltIn: stored["isBuiltIn"] === true,
    version: numberIn(stored, "version") ?? 0,
  };
}

function encodeOrigin(origin: TokenOrigin): Plain {
  return origin.kind === "kept" ? { kind: "kept", template: encodeMint(origin.template) } : { ...origin };
}

/** Tokens that were stored before there were minting tokens are free. */
function decodeOrigin(value: Plain): TokenOrigin {
  if (value == null) return { kind: "free" };
  const { kind, template } = objectIn(value);
  if (kind === "free" || kind === "minted") return { kind };
  if (kind === "kept") return { kind, template: decodeMint(template) };
  throw new Error("origin is of no known kind");
}
