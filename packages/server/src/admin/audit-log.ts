import type { Identity } from "../core/access/principal.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Kv, KvOperation, Plain } from "../core/ports/engine.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { AdminError } from "./admin-error.ts";
import type { Page } from "./page.ts";
import { formatTime, parseTime } from "./rfc3339-time.ts";
import { type Caller, requireScope } from "./scope.ts";

/** A change as whoever has seen to it reports it: names and ids, never a value that was set. */
export interface AuditReport {
  /** Such as `tokens.create`. */
  readonly action: string;
  /** Id or name of what was changed. */
  readonly target?: string | undefined;
  /** `unknown`: the engine has not confirmed it. */
  readonly outcome: "done" | "unknown";
  readonly query?: Readonly<Record<string, Plain>> | undefined;
  /** Whom or what the request was about. */
  readonly values?: Readonly<Record<string, Plain>> | undefined;
  /** What the request named. */
  readonly members?: readonly string[] | undefined;
}

/** Who made a change, when, from where. */
export interface AuditEntry extends AuditReport {
  /** In the order of time. */
  readonly id: string;
  /** RFC 3339. */
  readonly at: string;
  readonly actor: AuditActor;
  readonly address: string;
}

export interface AuditActor extends Identity {
  readonly tenant: string;
  /** The id of an access token. */
  readonly token?: string;
  /** The OAuth provider whose JWT was shown. */
  readonly provider?: string;
}

/** Which entries; all that are given must hold. */
export interface AuditFilter {
  /** `tokens.*` stands for all of tokens. */
  readonly action?: string;
  readonly target?: string;
  readonly subject?: string;
  readonly token?: string;
  /** RFC 3339. */
  readonly since?: string;
  readonly until?: string;
}

export interface AuditLogOptions {
  /** A bucket for nothing else. */
  readonly kv: Kv;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What people call the tenant of that id. */
  tenantName(id: string): string;
  /** The oldest of a tenant go when it has more. */
  readonly maxEntries: number;
  /** Tells those who are subscribed to it; the topic lies below `$audit`. */
  announce(tenant: string, topic: string, payload: Uint8Array): void;
}

/** Who changed what, when and from where: a tenant's last changes, in memory and in the engine. */
export class AuditLog {
  readonly #options: AuditLogOptions;
  /** Oldest first. */
  readonly #byTenant = new Map<string, AuditEntry[]>();
  #count = 0;

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  /** Reads what the engine has. Rejects with EngineError. */
  async open(): Promise<void> {
    for await (const { key, value } of this.#options.kv.list("")) {
      const tenant = key.slice(0, key.indexOf("/"));
      this.#entriesOf(tenant).push(value as unknown as AuditEntry);
    }
    for (const entries of this.#byTenant.values()) entries.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Notes a change. It is seen at once; the promise resolves when it is durable. A failure of the engine is logged: the
   * change has happened all the same.
   */
  async record(caller: Caller, report: AuditReport): Promise<void> {
    const { tenant } = caller;
    const entry = this.#entryOf(caller, report);
    const entries = this.#entriesOf(tenant);
    entries.push(entry);
    const operations: KvOperation[] = [
      { kind: "put", key: `${tenant}/${entry.id}`, value: entry as unknown as Plain },
    ];
    if (entries.length > this.#options.maxEntries) {
      const oldest = entries.shift() as AuditEntry;
      operations.push({ kind: "delete", key: `${tenant}/${oldest.id}` });
    }
    this.#announce(tenant, entry);
    try {
      await this.#options.kv.atomic(operations);
    } catch (error) {
      this.#options.logger.error({ tenant, action: entry.action, error }, "a change could not be audited");
    }
  }

  /** The newest first; needs the scope `audit`, and stays in the caller's tenant. @throws {AdminError} */
  list(
    caller: Caller,
    filter: AuditFilter,
    page: { readonly cursor: string | undefined; readonly limit: number },
  ): Page<AuditEntry> {
    requireScope(caller, "audit");
    const isWanted = compileFilter(filter);
    const found: AuditEntry[] = [];
    const entries = this.#entriesOf(caller.tenant);
    for (let at = entries.length - 1; at >= 0 && found.length <= page.limit; at -= 1) {
      const entry = entries[at] as AuditEntry;
      if ((page.cursor === undefined || entry.id < page.cursor) && isWanted(entry)) found.push(entry);
    }
    const items = found.slice(0, page.limit);
    return { items, next: found.length > page.limit ? items.at(-1)?.id : undefined };
  }

  /** Removes what there is of a tenant that is gone. Rejects with EngineError. */
  async forget(tenant: string): Promise<void> {
    this.#byTenant.delete(tenant);
    const { kv } = this.#options;
    for await (const { key } of kv.list(`${tenant}/`)) await kv.delete(key);
  }

  #entriesOf(tenant: string): AuditEntry[] {
    let entries = this.#byTenant.get(tenant);
    if (!entries) this.#byTenant.set(tenant, (entries = []));
    return entries;
  }

  #entryOf({ principal, token, address }: Caller, report: AuditReport): AuditEntry {
    const nowMs = Math.floor(this.#options.clock.nowMs());
    const { realm, subject } = principal.identity;
    this.#count = (this.#count + 1) % 1_000_000;
    return {
      id: `${nowMs.toString().padStart(15, "0")}-${this.#count.toString().padStart(6, "0")}`,
      at: formatTime(nowMs),
      actor: {
        realm,
        subject,
        tenant: this.#options.tenantName(principal.tenant),
        ...(token && { token: token.id }),
        ...(principal.provider !== undefined && { provider: principal.provider }),
      },
      address,
      ...report,
    };
  }

  #announce(tenant: string, entry: AuditEntry): void {
    const { action, target, actor } = entry;
    this.#options.logger.info({ tenant, action, target, actor }, "audit");
    const topic = `$audit/${action.replaceAll(".", "/")}`;
    this.#options.announce(tenant, topic, new TextEncoder().encode(JSON.stringify(entry)));
  }
}

function compileFilter(filter: AuditFilter): (entry: AuditEntry) => boolean {
  const { action, target, subject, token } = filter;
  const [sinceMs, untilMs] = [
    timeOf("since", filter.since, -Infinity),
    timeOf("until", filter.until, Infinity),
  ];
  const prefix = action?.endsWith(".*") ? action.slice(0, -1) : undefined;
  return (entry) => {
    const atMs = Date.parse(entry.at);
    return (
      (action === undefined ||
        (prefix === undefined ? entry.action === action : entry.action.startsWith(prefix))) &&
      (target === undefined || entry.target === target) &&
      (subject === undefined || entry.actor.subject === subject) &&
      (token === undefined || entry.actor.token === token) &&
      atMs >= sinceMs &&
      atMs < untilMs
    );
  };
}

function timeOf(member: string, text: string | undefined, otherwise: number): number {
  const timeMs = text === undefined ? otherwise : parseTime(text);
  if (timeMs === undefined)
    throw new AdminError("invalid", `${member}: must be an RFC 3339 time such as 2030-01-31T12:00:00Z`);
  return timeMs;
}
