import {
  DEFAULT_MAX_MINTED_TOKENS,
  MAX_MINT_ENTRIES,
  type MintTemplate,
} from "../core/access/mint-template.ts";
import { parseAcl } from "./acl-declaration.ts";
import { AdminError } from "./admin-error.ts";
import { type BindingDeclaration, parseBindings } from "./binding-declaration.ts";
import { declareLimits, type LimitsDeclaration, parseLimits } from "./limits-declaration.ts";
import type { JsonObject } from "./merge-patch.ts";

/** The member `mint` of a token, as REST spells it; the types of the members were checked. */
export interface MintDeclaration extends BindingDeclaration {
  readonly acl?: readonly unknown[];
  readonly subjects?: readonly string[];
  /** Seconds. */
  readonly maxTtl?: number;
  /** Seconds. */
  readonly maxExpiresIn?: number;
  readonly maxTokens?: number;
  readonly limits?: LimitsDeclaration;
}

/** @throws {AdminError} `invalid`, naming the member */
export function parseMint(declaration: MintDeclaration): MintTemplate {
  const { acl = [], subjects = [], maxTtl, maxExpiresIn, limits = {} } = declaration;
  if (subjects.length === 0) {
    throw new AdminError("invalid", 'mint.subjects: say for whom tokens may be made, such as ["user:*"]');
  }
  if (acl.length > MAX_MINT_ENTRIES) {
    throw new AdminError(
      "invalid",
      `mint.acl: has ${acl.length} entries; at most ${MAX_MINT_ENTRIES} are possible`,
    );
  }
  const bindings = parseBindings(declaration, "mint.");
  return {
    acl: parseAcl(acl, bindings.clientIds, "mint.acl"),
    subjects: [...subjects],
    clientIds: bindings.clientIds,
    maxTtlS: maxTtl,
    maxExpiresInS: maxExpiresIn,
    maxTokens: declaration.maxTokens ?? DEFAULT_MAX_MINTED_TOKENS,
    limits: parseLimits(limits),
    origins: bindings.origins,
    networks: bindings.networks,
  };
}

/** The counterpart of {@link parseMint}. */
export function declareMint(mint: MintTemplate): JsonObject {
  const { maxTtlS, maxExpiresInS, maxTokens } = mint;
  return {
    acl: mint.acl as unknown as JsonObject[],
    subjects: mint.subjects,
    clientIds: mint.clientIds,
    ...(maxTtlS !== undefined && { maxTtl: maxTtlS }),
    ...(maxExpiresInS !== undefined && { maxExpiresIn: maxExpiresInS }),
    maxTokens,
    limits: declareLimits(mint.limits) as JsonObject,
    origins: mint.origins,
    networks: mint.networks,
  };
}
