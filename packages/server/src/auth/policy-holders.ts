import { bindsClientId } from "../core/access/access-token.ts";
import type { AccessTokenStore } from "./access-token-store.ts";
import type { IdentityObjects } from "./identity-objects.ts";

/**
 * Who names a policy without being bound to a client id, in words; undefined: nobody. A policy that uses `${clientId}`
 * would let them choose whose data they read (semantics.md §1.1).
 */
export function findUnboundHolder(
  tenant: string,
  policy: string,
  { groups, providers }: IdentityObjects,
  tokens: Pick<AccessTokenStore, "all">,
): string | undefined {
  for (const { name, value } of groups.list(tenant, undefined, Infinity)) {
    if (!value.policies.includes(policy)) continue;
    if (providers.get(tenant, value.provider)?.value.clientIdClaim === undefined) return `the group ${name}`;
  }
  for (const token of tokens.all()) {
    if (token.tenant !== tenant || !token.policies.includes(policy)) continue;
    if (!bindsClientId(token.clientIds)) return `the token ${token.id}`;
  }
  return undefined;
}
