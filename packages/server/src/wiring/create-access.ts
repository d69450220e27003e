import { AnonymousAccess } from "../auth/anonymous-access.ts";
import { LoginFailures } from "../auth/login-failures.ts";
import { TicketStore } from "../auth/ticket-store.ts";
import { TokenAccess } from "../auth/token-access.ts";
import type { Config } from "../config/config.ts";
import { SYSTEM_TENANT, type TenantBook } from "../core/access/tenant-book.ts";
import type { Engine } from "../core/ports/engine.ts";
import type { SessionDirectory } from "../core/session/session-directory.ts";
import type { Basis } from "./basis.ts";

export interface AccessSurroundings extends Basis {
  readonly engine: Engine;
  readonly tenants: TenantBook;
  /** Not before the core is there. */
  readonly sessions: () => SessionDirectory;
}

export function createAccess(config: Config, surroundings: AccessSurroundings): TokenAccess {
  const { clock, counters, logger, engine, tenants, sessions } = surroundings;
  return new TokenAccess({
    kv: (bucket) => engine.kv(bucket),
    clock,
    logger,
    tenants,
    anonymous: createAnonymousAccess(config, tenants),
    tickets: new TicketStore({
      clock,
      maxTickets: config.limits.maxTickets,
      exceeded: () => (counters.limitReached["limits.maxTickets"] += 1),
    }),
    sessions,
    failures: new LoginFailures({
      clock,
      freeFailures: config.limits.loginFailures,
      slowed: () => (counters.limitReached["limits.loginFailures"] += 1),
    }),
  });
}

function createAnonymousAccess({ anonymous }: Config, tenants: TenantBook): AnonymousAccess | undefined {
  if (anonymous.allow === "nobody") return undefined;
  const isOpenToNetwork = anonymous.allow === "everywhere";
  const { acl } = anonymous;
  return new AnonymousAccess({ tenant: SYSTEM_TENANT, tenants, acl, isOpenToNetwork, hostNames: [] });
}
