import { type Identity, identityKey } from "../access/principal.ts";

/** Names a session: (tenant, identity, client id). Another identity with the same client id has one of its own. */
export function sessionKey(tenant: string, identity: Identity, clientId: string): string {
  const owner = identityKey(tenant, identity);
  // Joined: a template leaves a tree of its parts in memory, and every session keeps its key
  return [owner.length, ":", owner, clientId].join("");
}
