import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { StoredToken } from "./stored-token.ts";
import { createVerifier, matchesVerifier } from "./password-verifier.ts";

/** What is asked of the tokens. */
export interface TokensByUsername {
  /** Of all tenants, whatever their state. */
  ofUsername(username: string): Iterable<StoredToken>;
  /** Whether any token has a user name. */
  readonly hasUsernames: boolean;
}

export type LoginOutcome =
  | { readonly kind: "right"; readonly token: StoredToken }
  | { readonly kind: "wrong" | "busy" };

/** Checked at one time: each holds a thread of libuv's pool, which the log's flushes need, too. */
const MAX_PARALLEL = 2;
/** More of them would have to wait for longer than a client may take to connect. */
const MAX_WAITING = 200;
/** Devices that were let in and come again do not cost a check. */
const MAX_REMEMBERED = 100_000;

const wrong: LoginOutcome = { kind: "wrong" };

/**
 * Checks user names and passwords. A name that nobody has takes as long as a wrong password (semantics.md §1.15); the
 * work is bounded, and done beside the event loop.
 */
export class PasswordLogins {
  readonly #tokens: TokensByUsername;
  /** So that what is remembered says nothing to anybody else. */
  readonly #secret = randomBytes(32);
  /** By token: a keyed hash of the password that was right, and the verifier that it was right for. */
  readonly #remembered = new Map<string, { readonly verifier: string; readonly mark: Uint8Array }>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #decoy: Promise<string> | undefined;

  constructor(tokens: TokensByUsername) {
    this.#tokens = tokens;
  }

  /**
   * Whether the user name is some token's, of that tenant where one is named: then the password is checked against its
   * verifier, and nothing else.
   */
  isKnown(username: string, tenant?: string): boolean {
    for (const token of this.#tokens.ofUsername(username))
      if (tenant === undefined || token.tenant === tenant) return true;
    return false;
  }

  async check(username: string, password: string): Promise<LoginOutcome> {
    if (!this.#tokens.hasUsernames) return wrong;
    const candidates = [...this.#tokens.ofUsername(username)].filter((token) => token.passwordVerifier);
    const known = candidates.find((token) => this.#isRemembered(token, password));
    if (known) return { kind: "right", token: known };
    if (this.#waiting.length >= MAX_WAITING) return { kind: "busy" };
    await this.#turn();
    try {
      return await this.#verify(candidates, password);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #verify(candidates: readonly StoredToken[], password: string): Promise<LoginOutcome> {
    if (candidates.length === 0) {
      await matchesVerifier(password, await this.#decoyVerifier());
      return wrong;
    }
    const right: StoredToken[] = [];
    for (const token of candidates) {
      if (await matchesVerifier(password, token.passwordVerifier ?? "")) right.push(token);
    }
    const [token] = right;
    // The same name and password in two tenants is nobody's.
    if (!token || right.length > 1) return wrong;
    this.#remember(token, password);
    return { kind: "right", token };
  }

  async #turn(): Promise<void> {
    if (this.#running >= MAX_PARALLEL) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
  }

  #decoyVerifier(): Promise<string> {
    this.#decoy ??= createVerifier(randomBytes(16).toString("base64"));
    return this.#decoy;
  }

  #isRemembered({ id, passwordVerifier }: StoredToken, password: string): boolean {
    const known = this.#remembered.get(id);
    if (!known || known.verifier !== passwordVerifier) return false;
    return timingSafeEqual(known.mark, this.#markOf(password));
  }

  #remember({ id, passwordVerifier: verifier = "" }: StoredToken, password: string): void {
    if (this.#remembered.size >= MAX_REMEMBERED) {
      const [oldest = ""] = this.#remembered.keys();
      this.#remembered.delete(oldest);
    }
    this.#remembered.set(id, { verifier, mark: this.#markOf(password) });
  }

  #markOf(password: string): Uint8Array {
    return createHmac("sha256", this.#secret).update(password).digest();
  }
}
