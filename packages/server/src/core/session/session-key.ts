import { type Identity, identityKey } from "../access/principal.ts";

/** Names a session: (tenant, identity, client id). Another identity with the same client id has one of its own. */
export function sessionKey(tenant: string, identity: Identity, clientId: string): string {
  const owner = identityKey(tenant, identity);
  return `${owner.length}:${owner}${clientId}`;
}
