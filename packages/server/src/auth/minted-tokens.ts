import { type AccessToken, globMatches } from "../core/access/access-token.ts";
import type { MintTemplate } from "../core/access/mint-template.ts";
import type { Principal, PrincipalEnd } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { AccessTokenStore } from "./access-token-store.ts";
import { refuseUse, type TokenUse, tokenEndMs, type UseRefusal } from "./token-use.ts";

type Tokens = Pick<AccessTokenStore, "get" | "lastUsedAtMs" | "mintedBy">;

/** How made tokens depend on their minting token, as of now (semantics.md §1.11); free tokens on nobody. */
export class MintedTokens {
  readonly #tokens: Tokens;
  readonly #clock: Clock;

  constructor(tokens: Tokens, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  madeBy(token: AccessToken): Iterable<AccessToken> {
    return this.#tokens.mintedBy(token.id);
  }

  /** What bounds the token; undefined: nothing, or its minting token has gone (see {@link whyEnded}). */
  templateOf(token: AccessToken): MintTemplate | undefined {
    return token.origin.kind === "kept" ? token.origin.template : this.#minterOf(token)?.mint;
  }

  /** When the token ends by time: its own end, or that of its minting token. On the clock of the ports. */
  endMs(token: AccessToken): number {
    const minter = this.#minterOf(token);
    return Math.min(this.#ownEndMs(token), minter ? this.#ownEndMs(minter) : Infinity);
  }

  /** As {@link endMs} for an open connection, which is use: no ttl of the token itself. */
  connectionEndMs(token: AccessToken): number {
    const minter = this.#minterOf(token);
    return Math.min(token.expiresAtMs ?? Infinity, minter?.expiresAtMs ?? Infinity);
  }

  /** Why the minting token lets it be used no longer. */
  whyEnded(token: AccessToken): PrincipalEnd | undefined {
    if (token.origin.kind !== "minted") return undefined;
    const minter = this.#minterOf(token);
    if (!minter) return "deleted";
    if (!minter.enabled) return "disabled";
    if (this.#ownEndMs(minter) <= this.#clock.nowMs()) return "expired";
    const isWithin = minter.mint?.subjects.some((glob) => globMatches(glob, token.subject)) ?? false;
    return isWithin ? undefined : "revoked";
  }

  /** Why the token may not be used here, for its own bounds or the template's; undefined: it may. */
  refuseUse(token: AccessToken, use: TokenUse): UseRefusal | undefined {
    const template = this.templateOf(token);
    return refuseUse(token, use) ?? (template && refuseUse(template, use));
  }

  /** What a minting token has left behind that is gone belongs to whoever may name its identity. */
  mayResume(held: Principal, by: Principal): boolean {
    if (by.minter === undefined || by.minter === held.minter) return true;
    return held.minter !== undefined && !this.#tokens.get(held.minter);
  }

  #minterOf({ origin, mintedBy }: AccessToken): AccessToken | undefined {
    return origin.kind === "minted" && mintedBy !== undefined ? this.#tokens.get(mintedBy) : undefined;
  }

  #ownEndMs(token: AccessToken): number {
    return tokenEndMs(token, this.#tokens.lastUsedAtMs(token));
  }
}
