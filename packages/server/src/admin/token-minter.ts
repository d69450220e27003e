import type {
  AccessToken,
  AccessTokens,
  AccessTokenSettings,
  TokenOwner,
} from "../core/access/access-token.ts";
import { KeyedLock } from "../core/session/keyed-lock.ts";
import { AdminError } from "./admin-error.ts";
import type { MintedReach } from "./token-reach.ts";

type MintedOwner = Omit<TokenOwner, "subject" | "isMinted"> & { readonly subject: string };
type Made = Awaited<ReturnType<AccessTokens["create"]>>;

/** Makes tokens for minting tokens: no more than their template allows, and none for an identity that is another's. */
export class TokenMinter {
  readonly #tokens: AccessTokens;
  /** How many are being made, by minting token. */
  readonly #making = new Map<string, number>();
  readonly #bySubject = new KeyedLock();

  constructor(tokens: AccessTokens) {
    this.#tokens = tokens;
  }

  /** Rejects with AdminError (`conflict`) and EngineError. */
  async make(reach: MintedReach, owner: MintedOwner, settings: AccessTokenSettings): Promise<Made> {
    const { id } = reach.minter;
    const making = this.#making.get(id) ?? 0;
    if (this.#tokens.mintedCount(id) + making >= reach.template.maxTokens)
      throw new AdminError(
        "conflict",
        `the minting token has made the ${reach.template.maxTokens} tokens of its template; delete some`,
      );
    this.#making.set(id, making + 1);
    try {
      return await this.#bySubject.run(`${owner.tenant} ${owner.subject}`, () =>
        this.#make(reach, owner, settings),
      );
    } finally {
      this.#done(id);
    }
  }

  /** One at a time for a subject, so that of two minting tokens only one gets it. */
  async #make({ minter }: MintedReach, owner: MintedOwner, settings: AccessTokenSettings): Promise<Made> {
    for (const other of this.#tokens.ofSubject(owner.tenant, owner.subject)) {
      if (isForeign(other, minter))
        throw new AdminError(
          "conflict",
          "subject: belongs to a token that this minting token has not made; delete that, or the one that made it",
        );
    }
    const made = await this.#tokens.create({ ...owner, isMinted: true }, settings);
    if (this.#tokens.get(minter.id)) return made;
    await this.#tokens.delete(made.token);
    throw new AdminError("conflict", "the minting token was deleted meanwhile, and what it made with it");
  }

  #done(id: string): void {
    const left = (this.#making.get(id) ?? 1) - 1;
    if (left > 0) this.#making.set(id, left);
    else this.#making.delete(id);
  }
}

/**
 * Sessions, share groups and the name of a publisher go by the identity: who made tokens for any subject could take those
 * of others over (semantics.md §1.11). What a minting token left behind that is gone belongs to whoever may name it.
 */
function isForeign({ origin, mintedBy }: AccessToken, minter: AccessToken): boolean {
  return origin.kind === "free" || (origin.kind === "minted" && mintedBy !== minter.id);
}
