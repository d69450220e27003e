import { createHash } from "node:crypto";
import { lookUpClaim } from "../core/access/claim-path.ts";
import type { Revocation, RevocationSelector } from "../core/access/revocation.ts";
import type { NamedObjects } from "../core/objects/named-objects.ts";
import type { Clock, Timer } from "../core/ports/clock.ts";
import { EngineError } from "../core/ports/engine.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import type { Claims } from "./oauth-claims.ts";

/** What of a credential revocations name. */
export interface RevocableCredential {
  readonly tenant: string;
  readonly realm: string;
  readonly subject: string;
  readonly jti: string | undefined;
  readonly kid: string | undefined;
  readonly claims: Claims;
  readonly issuedAtMs: number;
}

/** Of one realm: before which time of issue a credential does not count. */
interface RealmRevocations {
  readonly exact: Map<string, number>;
  /** One for each claim's value; there are few. */
  readonly claims: Map<string, Revocation>;
}

const CLEAN_EVERY_MS = 60_000;
const ADD_ATTEMPTS = 4;

/**
 * What was revoked, by realm. Durable, so that nobody comes back with the same JWT; an entry goes when every JWT that
 * it is about has expired.
 */
export class RevocationList {
  readonly #objects: NamedObjects<Revocation>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #byRealm = new Map<string, RealmRevocations>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(objects: NamedObjects<Revocation>, clock: Clock, logger: Logger) {
    this.#objects = objects;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Call when the objects are known. @param onChange more is revoked in the tenant */
  start(onChange: (tenant: string) => void): void {
    for (const { tenant, object } of this.#objects.all()) this.#add(tenant, object.value);
    this.#objects.onChange((tenant, _name, before, after) => {
      if (before) this.#remove(tenant, before.value);
      if (!after) return;
      this.#add(tenant, after.value);
      onChange(tenant);
    });
    this.#cleanLater();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /**
   * Resolves when it is durable and counts on this node.
   *
   * @throws {EngineError} `full` where the tenant has too many
   */
  async add(tenant: string, revocation: Revocation): Promise<void> {
    const name = nameOf(revocation);
    for (let attempt = 1; ; attempt++) {
      const present = this.#objects.get(tenant, name);
      const value = present ? laterOf(present.value, revocation) : revocation;
      try {
        await this.#objects.put(tenant, name, value, present?.version ?? 0);
        return;
      } catch (error) {
        if (!isConflict(error) || attempt === ADD_ATTEMPTS) throw error;
      }
    }
  }

  isRevoked(credential: RevocableCredential): boolean {
    const revoked = this.#byRealm.get(realmKey(credential.tenant, credential.realm));
    if (!revoked) return false;
    const { subject, jti, kid, issuedAtMs, claims } = credential;
    const isBefore = (selector: RevocationSelector): boolean =>
      issuedAtMs < (revoked.exact.get(keyOf(selector)) ?? -Infinity);
    if (isBefore({ kind: "subject", value: subject })) return true;
    if (jti !== undefined && isBefore({ kind: "jti", value: jti })) return true;
    if (kid !== undefined && isBefore({ kind: "kid", value: kid })) return true;
    for (const { selector, notBeforeMs } of revoked.claims.values()) {
      if (issuedAtMs < notBeforeMs && hasClaim(claims, selector)) return true;
    }
    return false;
  }

  #add(tenant: string, revocation: Revocation): void {
    const key = realmKey(tenant, revocation.realm);
    let revoked = this.#byRealm.get(key);
    if (!revoked) this.#byRealm.set(key, (revoked = { exact: new Map(), claims: new Map() }));
    const selector = keyOf(revocation.selector);
    if (revocation.selector.kind === "claim") revoked.claims.set(selector, revocation);
    else revoked.exact.set(selector, revocation.notBeforeMs);
  }

  #remove(tenant: string, { realm, selector }: Revocation): void {
    const key = realmKey(tenant, realm);
    const revoked = this.#byRealm.get(key);
    revoked?.exact.delete(keyOf(selector));
    revoked?.claims.delete(keyOf(selector));
    if (revoked && revoked.exact.size + revoked.claims.size === 0) this.#byRealm.delete(key);
  }

  #cleanLater(): void {
    if (this.#isStopped) return;
    this.#timer = this.#clock.after(CLEAN_EVERY_MS, () => {
      void this.#clean().finally(() => this.#cleanLater());
    });
  }

  async #clean(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const over = [...this.#objects.all()].filter(({ object }) => object.value.untilMs <= nowMs);
    try {
      for (const { tenant, object } of over) await this.#objects.delete(tenant, object.name, object.version);
    } catch (error) {
      this.#logger.warn({ error: String(error) }, "revocations that are over could not be removed");
    }
  }
}

/** An earlier time takes nothing back. */
function laterOf(present: Revocation, added: Revocation): Revocation {
  const { notBeforeMs } = present.notBeforeMs > added.notBeforeMs ? present : added;
  return { ...added, notBeforeMs, untilMs: Math.max(present.untilMs, added.untilMs) };
}

function isConflict(error: unknown): boolean {
  return error instanceof EngineError && error.code === "conflict";
}

/** The same for the same realm and selector, so that revoking twice makes one entry. */
function nameOf({ realm, selector }: Revocation): string {
  return createHash("sha256")
    .update(JSON.stringify([realm, keyOf(selector)]))
    .digest("base64url");
}

function keyOf(selector: RevocationSelector): string {
  const path = selector.kind === "claim" ? selector.path : "";
  return JSON.stringify([selector.kind, path, selector.value]);
}

function realmKey(tenant: string, realm: string): string {
  return `${tenant}/${realm}`;
}

function hasClaim(claims: Claims, selector: RevocationSelector): boolean {
  if (selector.kind !== "claim") return false;
  const claim = lookUpClaim(claims, selector.path);
  return claim === selector.value || (Array.isArray(claim) && claim.includes(selector.value));
}
