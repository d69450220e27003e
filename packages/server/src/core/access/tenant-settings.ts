import type { PrincipalLimits } from "./principal-limits.ts";

/** By which ways the credentials of a tenant may come. */
export interface TenantProtocols {
  /** Over TCP and TLS. */
  readonly mqtt: boolean;
  readonly websocket: boolean;
  readonly rest: boolean;
}

/**
 * What a tenant may use at most. `connections`, `publishRate` and `publishBytesRate` are of all its principals together;
 * the others bound each of them, as a token's own do.
 */
export interface TenantLimits extends PrincipalLimits {
  /** That operators put; those of the configuration do not count. */
  readonly histories?: number;
  readonly retainedMessages?: number;
  /** Sessions that outlive their connections, or have a will. */
  readonly sessions?: number;
}

/** What the admin of the system decides about a tenant; all of it may change while the tenant is in use. */
export interface TenantSettings {
  readonly protocols: TenantProtocols;
  /** What becomes of a filter that is wider than the ACL. */
  readonly wildcards: "narrow" | "refuse";
  /** What a publisher gets whose message the ACL refuses. */
  readonly refusedPublish: "ack" | "disconnect";
  /** Delivered messages say who published them (product.md, "Verified publisher"). */
  readonly verifiedPublisher: boolean;
  readonly limits: TenantLimits;
}

export const defaultTenantSettings: TenantSettings = {
  protocols: { mqtt: true, websocket: true, rest: true },
  wildcards: "narrow",
  refusedPublish: "ack",
  verifiedPublisher: false,
  limits: {},
};

/** What of a tenant's limits bounds each of its principals; undefined: nothing. */
export function limitsOfEach(limits: TenantLimits): PrincipalLimits | undefined {
  const {
    connections: _,
    publishRate: __,
    publishBytesRate: ___,
    histories: ____,
    retainedMessages: _____,
    sessions: ______,
    ...each
  } = limits;
  return Object.keys(each).length > 0 ? each : undefined;
}
