import type { Principal } from "../core/access/principal.ts";
import { AdminError } from "./admin-error.ts";
import type { Caller } from "./scope.ts";

export interface Ticket {
  readonly ticket: string;
  readonly expiresAtMs: number;
}

/** Where tickets are kept. */
export interface Tickets {
  /** Undefined: there are too many. */
  issue(principal: Principal, origin: string | undefined): Ticket | undefined;
}

/** Gives one-time tickets for WebSocket addresses; needs no scope: they are worth no more than the credential shown. */
export class TicketAdmin {
  readonly #tickets: Tickets;

  constructor(tickets: Tickets) {
    this.#tickets = tickets;
  }

  /**
   * @param origin of the web page that asks, and that alone may use it; undefined: only what is no browser
   * @throws {AdminError} `rate` while too many tickets are unused
   */
  create({ principal }: Caller, origin: string | undefined): Ticket {
    const ticket = this.#tickets.issue(principal, origin);
    if (ticket) return ticket;
    throw new AdminError("rate", "too many tickets have not been used yet; each expires after 30 s", 1);
  }
}
