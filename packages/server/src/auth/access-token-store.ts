import {
  type AccessToken,
  type AccessTokens,
  type AccessTokenSettings,
  settingsOf,
  type TokenOwner,
} from "../core/access/access-token.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { MintTemplate } from "../core/access/mint-template.ts";
import { EngineError, type Kv, type KvEvent, type Subscription } from "../core/ports/engine.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { createAccessKey, createTokenId, hashesEqual, hashKey, tokenIdOf } from "./access-key.ts";
import { createVerifier, isVerifier } from "./password-verifier.ts";
import { SortedIds } from "../core/objects/sorted-ids.ts";
import { TokenIdIndex } from "./token-id-index.ts";
import { decodeStoredToken, encodeStoredToken, type StoredToken } from "./stored-token.ts";

export interface AccessTokenStoreOptions {
  /** The engine's bucket `tokens`, for nothing else. */
  readonly kv: Kv;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Called once for each change, in order per token; `after` undefined: deleted. */
export type TokenListener = (before: StoredToken | undefined, after: StoredToken | undefined) => void;

interface Indexed {
  readonly token: StoredToken;
  /** Of the entry in the store. */
  readonly revision: number;
}

const SAVE_USE_EVERY_MS = 60_000;
const UPDATE_ATTEMPTS = 4;
const DELETED_AT_ONCE = 100;

/**
 * The access tokens, all of them in memory: authentication never waits for the engine. What this node writes counts
 * when its promise resolves; what others write counts when the engine tells.
 */
export class AccessTokenStore implements AccessTokens {
  readonly #kv: Kv;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #byId = new Map<string, Indexed>();
  readonly #ids = new SortedIds();
  readonly #byMinter = new TokenIdIndex();
  readonly #bySubject = new TokenIdIndex();
  readonly #byUsername = new TokenIdIndex();
  /** Deleted here while late news of their last state may still come; ids are never used again. */
  readonly #deleted = new Set<string>();
  readonly #usedAtMs = new Map<string, number>();
  readonly #unsavedUses = new Set<string>();
  readonly #listeners: TokenListener[] = [];
  #builtIn: string | undefined;
  #saving: Promise<void> | undefined;
  #watching: Subscription | undefined;

  constructor(options: AccessTokenStoreOptions) {
    this.#kv = options.kv;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Resolves when all stored tokens are known. */
  open(): Promise<void> {
    return new Promise((resolve) => {
      this.#watching = this.#kv.watch("", (event) => {
        if (event.kind === "synced") resolve();
        else this.#heard(event);
      });
    });
  }

  /** Saves the last uses and lets the engine go. */
  async close(): Promise<void> {
    this.#watching?.stop();
    await this.#saving;
    await this.saveUses(0);
  }

  onChange(listener: TokenListener): void {
    this.#listeners.push(listener);
  }

  get(id: string): StoredToken | undefined {
    return this.#byId.get(id)?.token;
  }

  /** The broker's own admin token. */
  get builtIn(): StoredToken | undefined {
    return this.#builtIn === undefined ? undefined : this.get(this.#builtIn);
  }

  *all(): Generator<StoredToken> {
    for (const { token } of this.#byId.values()) yield token;
  }

  list(
    tenant: string,
    after: string | undefined,
    limit: number,
    isWanted: (token: AccessToken) => boolean = () => true,
  ): readonly AccessToken[] {
    const page: AccessToken[] = [];
    for (const id of this.#ids.after(after)) {
      const token = this.get(id);
      if (token?.tenant !== tenant || !isWanted(token)) continue;
      if (page.length === limit) break;
      page.push(token);
    }
    return page;
  }

  *mintedBy(id: string): Generator<StoredToken> {
    for (const made of this.#byMinter.of(id)) {
      const token = this.get(made);
      if (token) yield token;
    }
  }

  mintedCount(id: string): number {
    return this.#byMinter.count(id);
  }

  *ofSubject(tenant: string, subject: string): Generator<StoredToken> {
    for (const id of this.#bySubject.of(subjectKey(tenant, subject))) {
      const token = this.get(id);
      if (token) yield token;
    }
  }

  *ofUsername(username: string): Generator<StoredToken> {
    for (const id of this.#byUsername.of(username)) {
      const token = this.get(id);
      if (token) yield token;
    }
  }

  get hasUsernames(): boolean {
    return this.#byUsername.size > 0;
  }

  async verifierOf(password: string): Promise<string> {
    return isVerifier(password) ? password : createVerifier(password);
  }

  /**
   * The token whose key this is, whatever its state. Takes as long for an unknown id as for a wrong secret. The broker's
   * own admin token may be any text, so it is compared with whatever is shown.
   */
  findByKey(key: string | Uint8Array): StoredToken | undefined {
    const shown = hashKey(key);
    const id = tokenIdOf(typeof key === "string" ? key : Buffer.from(key).toString("latin1"));
    const named = id === undefined ? undefined : this.get(id);
    const { builtIn } = this;
    const isNamed = hashesEqual(shown, named?.keyHash);
    const isBuiltIn = hashesEqual(shown, builtIn?.keyHash);
    if (isNamed) return named;
    return isBuiltIn ? builtIn : undefined;
  }

  lastUsedAtMs(token: AccessToken): number | undefined {
    return this.#usedAtMs.get(token.id) ?? this.get(token.id)?.lastUsedAtMs;
  }

  /** Notes that the token is in use now. Saved lazily. */
  touch(token: AccessToken): void {
    this.#usedAtMs.set(token.id, this.#clock.nowMs());
    this.#unsavedUses.add(token.id);
  }

  async create(
    owner: TokenOwner,
    settings: AccessTokenSettings,
  ): Promise<{ token: AccessToken; key: string }> {
    const id = createTokenId(this.#clock.nowMs());
    const key = createAccessKey(id);
    const token = await this.#insert(id, owner, settings, { keyHash: hashKey(key), isBuiltIn: false });
    return { token, key };
  }

  /**
   * Makes the broker's own admin token, or gives the present one another key.
   *
   * @param key `given`: any text; undefined: a new one, which `onMade` is told before it counts
   */
  async setBuiltIn(
    { given, onMade }: { given: string | undefined; onMade: ((key: string) => void) | undefined },
    owner: TokenOwner,
    settings: AccessTokenSettings,
  ): Promise<void> {
    const present = this.builtIn;
    const id = present?.id ?? createTokenId(this.#clock.nowMs());
    const key = given ?? createAccessKey(id);
    if (given === undefined) onMade?.(key);
    const keyHash = hashKey(key);
    if (present) await this.#replace(id, (token) => ({ ...token, ...settings, keyHash }));
    else await this.#insert(id, owner, settings, { keyHash, isBuiltIn: true });
  }

  async update(token: AccessToken, settings: AccessTokenSettings): Promise<AccessToken> {
    return this.#replace(token.id, (present) => {
      if (!isSameSettings(present, token))
        throw new EngineError("conflict", "the token was changed meanwhile");
      return { ...present, ...settings };
    });
  }

  async keepUnder({ id }: AccessToken, template: MintTemplate): Promise<void> {
    await this.#replace(id, (token) => ({ ...token, origin: { kind: "kept", template } }));
  }

  async delete(token: AccessToken): Promise<void> {
    // What it made is looked for after it is gone: until then it may make more.
    if (this.#byId.has(token.id)) await this.#delete(token);
    for (const made of this.mintedBy(token.id)) await this.#delete(made);
  }

  /** Deletes all of a tenant that is gone, so many at a time. Rejects with EngineError. */
  async deleteAll(tenant: string): Promise<void> {
    const tokens = [...this.all()].filter((token) => token.tenant === tenant);
    for (let at = 0; at < tokens.length; at += DELETED_AT_ONCE)
      await Promise.all(tokens.slice(at, at + DELETED_AT_ONCE).map((token) => this.#delete(token)));
  }

  async #delete({ id }: AccessToken): Promise<void> {
    await this.#kv.delete(id);
    this.#deleted.add(id);
    this.#forget(id);
  }

  /** Removes what was made by tokens that are gone: a crash came between the two. */
  async deleteOrphans(): Promise<void> {
    for (const { token } of Array.from(this.#byId.values())) {
      const isOrphan = token.origin.kind === "minted" && !this.#byId.has(token.mintedBy ?? "");
      if (isOrphan) await this.#delete(token);
    }
  }

  /**
   * Saves the last uses that are `olderThanMs` newer than what is stored (less for a short ttl); what fails waits for
   * the next time. While one pass goes on there is no second.
   */
  saveUses(olderThanMs: number = SAVE_USE_EVERY_MS): Promise<void> {
    this.#saving ??= this.#saveDueUses(olderThanMs).finally(() => (this.#saving = undefined));
    return this.#saving;
  }

  async #saveDueUses(olderThanMs: number): Promise<void> {
    // A copy: what cannot be saved is put back while this goes on.
    for (const id of Array.from(this.#unsavedUses)) {
      const token = this.get(id);
      const usedAtMs = this.#usedAtMs.get(id);
      if (!token || usedAtMs === undefined) {
        this.#unsavedUses.delete(id);
        continue;
      }
      const slackMs = Math.min(olderThanMs, (token.ttlS ?? Infinity) * 250);
      if (usedAtMs - (token.lastUsedAtMs ?? -Infinity) < slackMs) continue;
      this.#unsavedUses.delete(id);
      await this.#saveUse(id, usedAtMs);
    }
  }

  async #saveUse(id: string, usedAtMs: number): Promise<void> {
    try {
      await this.#replace(id, (token) => ({
        ...token,
        lastUsedAtMs: Math.max(usedAtMs, token.lastUsedAtMs ?? 0),
      }));
    } catch (error) {
      if (!this.#byId.has(id)) return;
      this.#unsavedUses.add(id);
      this.#logger.warn({ tokenId: id, error }, "the last use of a token could not be saved");
    }
  }

  async #insert(
    id: string,
    owner: TokenOwner,
    settings: AccessTokenSettings,
    secret: Pick<StoredToken, "keyHash" | "isBuiltIn">,
  ): Promise<StoredToken> {
    const token: StoredToken = {
      ...settings,
      ...secret,
      id,
      subject: owner.subject ?? id,
      tenant: owner.tenant,
      mintedBy: owner.mintedBy,
      origin: { kind: owner.isMinted ? "minted" : "free" },
      createdAtMs: this.#clock.nowMs(),
      lastUsedAtMs: undefined,
      version: 1,
    };
    const revision = await this.#kv.create(id, encodeStoredToken(token));
    this.#learn({ token, revision });
    return token;
  }

  /** Read, change, compare and set; again where another write came between. */
  async #replace(id: string, change: (token: StoredToken) => StoredToken): Promise<StoredToken> {
    for (let attempt = 1; ; attempt++) {
      const present = this.#byId.get(id);
      if (!present) throw new EngineError("conflict", "the token was deleted meanwhile");
      const token: StoredToken = { ...change(present.token), version: present.token.version + 1 };
      try {
        const revision = await this.#kv.cas(id, encodeStoredToken(token), present.revision);
        this.#learn({ token, revision });
        return token;
      } catch (error) {
        if (!isConflict(error) || attempt === UPDATE_ATTEMPTS) throw error;
        await this.#reread(id);
      }
    }
  }

  async #reread(id: string): Promise<void> {
    const entry = await this.#kv.get(id);
    if (entry) this.#learn({ token: decodeStoredToken(entry.value), revision: entry.revision });
    else this.#forget(id);
  }

  #heard(event: Exclude<KvEvent, { kind: "synced" }>): void {
    if (event.kind === "delete") {
      this.#forget(event.key);
      this.#deleted.delete(event.key);
      return;
    }
    try {
      this.#learn({ token: decodeStoredToken(event.entry.value), revision: event.entry.revision });
    } catch (error) {
      this.#logger.error(
        { tokenId: event.entry.key, error },
        "a stored token cannot be read and is not accepted",
      );
      this.#forget(event.entry.key);
    }
  }

  #learn(news: Indexed): void {
    const { token } = news;
    const before = this.get(token.id);
    if (this.#deleted.has(token.id) || (before && before.version >= token.version)) return;
    if (before) this.#unindex(before);
    this.#byId.set(token.id, news);
    this.#index(token);
    this.#ids.add(token.id);
    if (token.isBuiltIn) this.#builtIn = token.id;
    for (const listener of this.#listeners) listener(before, token);
  }

  #index(token: StoredToken): void {
    if (token.username !== undefined) this.#byUsername.add(token.username, token.id);
    this.#bySubject.add(subjectKey(token.tenant, token.subject), token.id);
    if (token.origin.kind === "minted" && token.mintedBy !== undefined)
      this.#byMinter.add(token.mintedBy, token.id);
  }

  #unindex(token: StoredToken): void {
    if (token.username !== undefined) this.#byUsername.remove(token.username, token.id);
    this.#bySubject.remove(subjectKey(token.tenant, token.subject), token.id);
    if (token.mintedBy !== undefined) this.#byMinter.remove(token.mintedBy, token.id);
  }

  #forget(id: string): void {
    const before = this.get(id);
    if (!before) return;
    this.#byId.delete(id);
    this.#unindex(before);
    this.#ids.remove(id);
    this.#usedAtMs.delete(id);
    if (this.#builtIn === id) this.#builtIn = undefined;
    for (const listener of this.#listeners) listener(before, undefined);
  }
}

/** No two pairs share one. */
function subjectKey(tenant: string, subject: string): string {
  return `${tenant.length}:${tenant}${subject}`;
}

function isConflict(error: unknown): boolean {
  return error instanceof EngineError && error.code === "conflict";
}

/** Whether nobody has changed a token between two of its states: saves of the last use lie there, too. */
export function isSameSettings(present: AccessToken, known: AccessToken): boolean {
  return JSON.stringify(settingsOf(present)) === JSON.stringify(settingsOf(known));
}
