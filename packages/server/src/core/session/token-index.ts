import type { Principal } from "../access/principal.ts";
import type { Session } from "./session.ts";

/** Which sessions an access token has made, so that a change of the token finds them among however many others. */
export class TokenIndex {
  readonly #sessions = new Map<string, Set<Session>>();

  add(session: Session): void {
    const key = keyOf(session.principal);
    if (key === undefined) return;
    const sessions = this.#sessions.get(key);
    if (sessions) sessions.add(session);
    else this.#sessions.set(key, new Set([session]));
  }

  /** @param principal whose session it was */
  remove(session: Session, principal: Principal): void {
    const key = keyOf(principal);
    const sessions = key === undefined ? undefined : this.#sessions.get(key);
    if (!sessions?.delete(session) || sessions.size > 0) return;
    this.#sessions.delete(key as string);
  }

  of(tenant: string, tokenId: string): Iterable<Session> {
    return [...(this.#sessions.get(indexKey(tenant, tokenId)) ?? [])];
  }
}

function keyOf({ tenant, tokenId }: Principal): string | undefined {
  return tokenId === undefined ? undefined : indexKey(tenant, tokenId);
}

function indexKey(tenant: string, tokenId: string): string {
  return `${tenant.length}:${tenant}${tokenId}`;
}
