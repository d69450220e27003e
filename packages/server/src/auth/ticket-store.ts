import { createHash, randomBytes } from "node:crypto";
import { identityKey, type Principal } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";

export interface TicketStoreOptions {
  readonly clock: Clock;
  /** Of all that have not been used and not expired. */
  readonly maxTickets: number;
  /** One more was asked for. */
  exceeded(): void;
}

export interface IssuedTicket {
  /** 256 random bits in base64url; nowhere else, and cannot be read again. */
  readonly ticket: string;
  readonly expiresAtMs: number;
}

interface KnownTicket {
  readonly principal: Principal;
  /** Of the web page that asked for it; undefined: no browser did. */
  readonly origin: string | undefined;
  readonly expiresAtMs: number;
}

const TICKET_BYTES = 32;
const LIFETIME_MS = 30_000;
/** So that nobody alone fills the room of all. */
const MAX_TICKETS_OF_ONE = 100;

/**
 * One-time tickets for WebSocket addresses, which cannot hold a header (semantics.md §1.14). By their hash, in this
 * process alone; each is good for one connection from the web page that asked for it, for half a minute.
 */
export class TicketStore {
  readonly #options: TicketStoreOptions;
  /** By hash, in the order in which they expire. */
  readonly #tickets = new Map<string, KnownTicket>();
  readonly #counts = new Map<string, number>();

  constructor(options: TicketStoreOptions) {
    this.#options = options;
  }

  /** Undefined: there are too many, of the principal's identity or of all. */
  issue(principal: Principal, origin: string | undefined): IssuedTicket | undefined {
    this.#forgetExpired();
    const holder = holderOf(principal);
    const count = this.#counts.get(holder) ?? 0;
    if (count >= MAX_TICKETS_OF_ONE || this.#tickets.size >= this.#options.maxTickets) {
      this.#options.exceeded();
      return undefined;
    }
    const ticket = randomBytes(TICKET_BYTES).toString("base64url");
    const expiresAtMs = this.#options.clock.nowMs() + LIFETIME_MS;
    this.#tickets.set(hashOf(ticket), { principal, origin: origin?.toLowerCase(), expiresAtMs });
    this.#counts.set(holder, count + 1);
    return { ticket, expiresAtMs };
  }

  /** Whom a ticket stands for, this once: it is used up, whatever comes of it. Undefined: for nobody, or not there. */
  redeem(ticket: string, origin: string | undefined): Principal | undefined {
    this.#forgetExpired();
    const hash = hashOf(ticket);
    const known = this.#tickets.get(hash);
    if (!known) return undefined;
    this.#forget(hash, known);
    return known.origin === origin?.toLowerCase() ? known.principal : undefined;
  }

  #forgetExpired(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [hash, known] of this.#tickets) {
      if (known.expiresAtMs > nowMs) return;
      this.#forget(hash, known);
    }
  }

  #forget(hash: string, { principal }: KnownTicket): void {
    this.#tickets.delete(hash);
    const holder = holderOf(principal);
    const left = (this.#counts.get(holder) ?? 1) - 1;
    if (left > 0) this.#counts.set(holder, left);
    else this.#counts.delete(holder);
  }
}

function holderOf({ tenant, identity }: Principal): string {
  return identityKey(tenant, identity);
}

/** What is looked up tells nothing of what it was made from, nor does the time that it takes. */
function hashOf(ticket: string): string {
  return createHash("sha256").update(ticket).digest("base64url");
}
