import { DEFAULT_MAX_MINTED_TOKENS, type MintTemplate } from "../core/access/mint-template.ts";
import { parsePolicyEntries } from "../core/access/policy-entry.ts";
import { type PrincipalLimits, principalLimitNames, queuePolicies } from "../core/access/principal-limits.ts";
import type { Plain } from "../core/ports/engine.ts";
import { numberIn, objectIn, stringsIn } from "./stored-fields.ts";

/** For the engine's key-value store. */
export function encodeMint(mint: MintTemplate): Plain {
  return { ...mint, acl: mint.acl.map((entry) => ({ ...entry })), limits: { ...mint.limits } };
}

/** @throws {Error} if the value is not what {@link encodeMint} makes */
export function decodeMint(value: Plain): MintTemplate {
  const stored = objectIn(value);
  return {
    acl: parsePolicyEntries(stored["acl"], "mint.acl"),
    subjects: stringsIn(stored, "subjects"),
    clientIds: stringsIn(stored, "clientIds"),
    maxTtlS: numberIn(stored, "maxTtlS"),
    maxExpiresInS: numberIn(stored, "maxExpiresInS"),
    maxTokens: numberIn(stored, "maxTokens") ?? DEFAULT_MAX_MINTED_TOKENS,
    limits: decodeLimits(stored["limits"]),
    origins: stringsIn(stored, "origins"),
    networks: stringsIn(stored, "networks"),
  };
}

/** @throws {Error} if the value is no object, or a limit in it no number */
export function decodeLimits(value: Plain | undefined): PrincipalLimits {
  const stored = objectIn(value ?? {});
  const known = principalLimitNames
    .map((name) => [name, numberIn(stored, name)] as const)
    .filter(([, limit]) => limit !== undefined);
  const queuePolicy = queuePolicies.find((policy) => policy === stored["queuePolicy"]);
  return { ...Object.fromEntries(known), ...(queuePolicy && { queuePolicy }) };
}
