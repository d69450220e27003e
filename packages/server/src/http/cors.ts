import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match";
/** Besides those that pages may always read. */
const RESPONSE_HEADERS = "ETag, Location, Retry-After, WWW-Authenticate";
const PREFLIGHT_MAX_AGE_S = 600;

/**
 * Lets pages of these origins call REST (the Fetch standard, "CORS protocol"); without origins, none. Cookies are never
 * part of it: a page shows its credential itself.
 */
export function addCors(app: FastifyInstance, prefix: string, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const allowed = new Set(origins.map((origin) => origin.toLowerCase()));
  app.addHook("onRequest", async (request, reply) => {
    if (!request.url.startsWith(prefix)) return;
    void reply.header("vary", "Origin");
    const { origin } = request.headers;
    if (origin === undefined || !(allowed.has(origin.toLowerCase()) || allowed.has("*"))) return;
    void reply.headers({
      "access-control-allow-origin": origin,
      "access-control-expose-headers": RESPONSE_HEADERS,
      "cross-origin-resource-policy": "cross-origin",
    });
  });
}

/** The answer to a browser that asks before it sends: nothing is done for it, so it needs no credential. */
export function answerPreflight(request: FastifyRequest, reply: FastifyReply): void {
  if (request.headers["access-control-request-method"] === undefined) return;
  if (reply.getHeader("access-control-allow-origin") === undefined) return;
  void reply.headers({
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": REQUEST_HEADERS,
    "access-control-max-age": PREFLIGHT_MAX_AGE_S,
  });
}
