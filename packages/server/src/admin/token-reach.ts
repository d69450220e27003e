import type { AccessToken, Scope } from "../core/access/access-token.ts";
import type { MintTemplate } from "../core/access/mint-template.ts";
import type { Principal } from "../core/access/principal.ts";
import { type Caller, hasScope, requireScope } from "./scope.ts";

/** Over which tokens and sessions a caller has power: the tenant's by a scope, or those that its minting token made. */
export type TokenReach = { readonly kind: "tenant" } | MintedReach;

export interface MintedReach {
  readonly kind: "minted";
  readonly minter: AccessToken;
  readonly template: MintTemplate;
}

/** @throws {AdminError} `scope` for a caller that has neither the scope nor a minting token */
export function reachOf(caller: Caller, scope: Scope): TokenReach {
  const { token } = caller;
  if (token?.mint && !hasScope(caller, scope)) return { kind: "minted", minter: token, template: token.mint };
  requireScope(caller, scope);
  return { kind: "tenant" };
}

export function reachesToken(reach: TokenReach, token: AccessToken): boolean {
  return reach.kind === "tenant" || (token.origin.kind === "minted" && token.mintedBy === reach.minter.id);
}

export function reachesPrincipal(reach: TokenReach, principal: Principal): boolean {
  return reach.kind === "tenant" || principal.minter === reach.minter.id;
}
