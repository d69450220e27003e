import { readFileSync } from "node:fs";
import { AccessExplainer } from "../admin/access-explainer.ts";
import { EntrySources } from "../admin/entry-sources.ts";
import { HistoryReader } from "../admin/history-reader.ts";
import { MessageAdmin } from "../admin/message-admin.ts";
import { PrincipalSource } from "../admin/principal-source.ts";
import { RetainedAdmin } from "../admin/retained-admin.ts";
import { RevocationAdmin } from "../admin/revocation-admin.ts";
import { SessionAdmin } from "../admin/session-admin.ts";
import { TicketAdmin } from "../admin/ticket-admin.ts";
import { TokenAdmin } from "../admin/token-admin.ts";
import { isLocalRequest } from "../auth/known-host.ts";
import type { TokenAccess } from "../auth/token-access.ts";
import type { Config } from "../config/config.ts";
import type { Clock } from "../core/ports/clock.ts";
import { createHttpServer, type HttpServer, type HttpServerOptions } from "../http/http-server.ts";
import { objectAdmins } from "./object-admins.ts";
import type { Parts } from "./parts.ts";

const RECOVERING = "what waits for persistent sessions is still being looked for in the log";

/** REST, health, metrics and pages, over the use cases of the parts. */
export function openHttp(config: Config, parts: Parts, isServing: () => boolean): Promise<HttpServer> {
  const { version, access, core, clock, logger, limits, metrics, counters } = parts;
  const { backups, audit, histories, tenants } = parts;
  const principals = createPrincipalSource(access);
  const sessions = new SessionAdmin({
    sessions: core.sessions,
    subscriber: core.remoteSubscriber,
    principals,
    maxSessionExpiryS: limits.maxSessionExpiryS,
  });
  const sources = new EntrySources({
    tokens: access.store,
    policies: access.objects.policies,
    groups: access.objects.groups,
  });
  const { tls, trustedProxies, cors: corsOrigins } = config.http;
  return createHttpServer({
    version,
    tokens: new TokenAdmin({
      tokens: access.store,
      sessions,
      clock,
      policies: access.objects.policies,
      tenantName: (id) => tenants.nameOf(id),
    }),
    sessions,
    messages: new MessageAdmin(core, limits),
    retained: new RetainedAdmin({ core, clock, limits }),
    access: new AccessExplainer({ principals, sources }),
    audit,
    corsOrigins,
    maxRequestRate: config.limits.httpRequestRate,
    nowMs: () => clock.nowMs(),
    rateExceeded: () => void (counters.limitReached["limits.httpRequestRate"] += 1),
    tickets: new TicketAdmin(access.tickets),
    revocations: createRevocationAdmin(access, clock),
    backups,
    metrics,
    logger,
    histories: new HistoryReader(core, histories),
    objects: objectAdmins(parts),
    authorization: authorizationOf(parts),
    readiness: () => readinessOf(parts, isServing()),
    isLocal: (request) => isLocalRequest(request, []),
    maxConnections: config.limits.maxHttpConnections,
    headTimeoutMs: config.limits.connectTimeoutS * 1_000,
    connectionRefused: () => {
      counters.connectionsRefused += 1;
      counters.limitReached["limits.maxHttpConnections"] += 1;
    },
    trustedProxies,
    ...(tls && { tls: { cert: readFileSync(tls.cert), key: readFileSync(tls.key) } }),
  });
}

function authorizationOf({ access, tenants, counters, logger }: Parts): HttpServerOptions["authorization"] {
  return {
    authenticate: (authorization, from) => access.authenticator.authenticateCaller(authorization, from),
    tenantId: (name) => tenants.byName(name)?.id,
    isRestOn: (id) => tenants.byId(id)?.settings.protocols.rest ?? false,
    refused: (reason, address) => {
      counters.authFailures[reason] = (counters.authFailures[reason] ?? 0) + 1;
      logger.info({ address, reason }, "a REST call was refused");
    },
  };
}

function createPrincipalSource(access: TokenAccess): PrincipalSource {
  return new PrincipalSource({
    ofToken: (tenant, tokenId, clientId) => access.absentPrincipal(tenant, tokenId, clientId),
    ofClaims: (tenant, provider, claims, clientId) =>
      access.oauth.absentPrincipal(tenant, provider, claims, clientId),
  });
}

function createRevocationAdmin({ oauth, objects }: TokenAccess, clock: Clock): RevocationAdmin {
  return new RevocationAdmin({ revocations: oauth.revocations, providers: objects.providers, clock });
}

/** What is wrong with an OAuth provider is told, and stops nobody else. */
function readinessOf(
  { engine, access, core }: Parts,
  isServing: boolean,
): { ready: boolean; problems: readonly string[] } {
  const { ok, problems: engineProblems } = engine.health();
  const recovering = core.isRecovered ? [] : [RECOVERING];
  const problems = [...engineProblems, ...access.oauth.problems, ...recovering];
  return {
    ready: ok && isServing,
    problems: isServing ? problems : [...problems, "CONNECT is not answered yet, or no longer"],
  };
}
