import type { FastifyInstance, FastifyRequest } from "fastify";
import { hasScope, isOfSystem } from "../admin/scope.ts";
import type { Authorization } from "./authorization.ts";
import { RequestError } from "./problem-reply.ts";

export interface Readiness {
  /** Whether CONNECT is answered. */
  readonly ready: boolean;
  /** What is wrong or still recovers, in words. */
  readonly problems: readonly string[];
}

export interface MetricsSource {
  readonly contentType: string;
  /** @param tenant whose metrics; undefined: the broker's, with those of all tenants */
  text(tenant: string | undefined): Promise<string>;
}

/** Where a request comes from, as far as it can be told. */
export interface RequestOrigin {
  readonly address: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
}

export interface HealthOptions {
  readonly authorization: Authorization;
  readonly metrics: MetricsSource;
  readiness(): Readiness;
  /** Whether the request surely comes from this machine: then metrics are open. */
  isLocal(request: RequestOrigin): boolean;
}

export function addHealthRoutes(server: FastifyInstance, options: HealthOptions): void {
  const hide = { schema: { hide: true } };
  server.get("/healthz", hide, async () => ({ status: "ok" }));

  server.get("/readyz", hide, async (_request, reply) => {
    const { ready, problems } = options.readiness();
    return reply.code(ready ? 200 : 503).send({ status: ready ? "ready" : "not ready", problems });
  });

  server.get("/metrics", hide, async (request, reply) => {
    const tenant = isOpenTo(request, options) ? undefined : await tenantOf(request, options.authorization);
    const text = await options.metrics.text(tenant);
    return reply.type(options.metrics.contentType).send(text);
  });
}

/** A proxy that is not known as one may have sent on anybody's request. */
function isOpenTo(request: FastifyRequest, options: HealthOptions): boolean {
  const { host, origin, forwarded } = request.headers;
  const isDirect = request.ip === request.socket.remoteAddress;
  const isForwarded = forwarded !== undefined || request.headers["x-forwarded-for"] !== undefined;
  return !(isDirect && isForwarded) && options.isLocal({ address: request.ip, host, origin });
}

/** Whose metrics the caller may see; undefined: the whole broker's. */
async function tenantOf(request: FastifyRequest, authorization: Authorization): Promise<string | undefined> {
  const caller = await authorization.check(request);
  if (hasScope(caller, "metrics")) return isOfSystem(caller) ? undefined : caller.tenant;
  throw new RequestError("scope", "the credential needs the scope metrics for this");
}
