import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { Problem } from "./problem.ts";

/** What a page is told of an error: of unexpected ones nothing but that it was not its fault. */
export function sendError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  if (error instanceof Problem) return send(reply, error);
  const { statusCode, validation } = error as Partial<FastifyError>;
  if (validation) return send(reply, new Problem(400, "invalid", error.message));
  if (statusCode !== undefined && statusCode < 500)
    return send(reply, new Problem(statusCode, "invalid", error.message));
  request.log.error(
    { error: String(error), method: request.method, route: request.routeOptions.url },
    "failed",
  );
  send(reply, new Problem(503, "unavailable", "This cannot be done at the moment. Try again."));
}

export function sendNotFound(_request: FastifyRequest, reply: FastifyReply): void {
  send(reply, new Problem(404, "not-found", "There is nothing at this address."));
}

function send(reply: FastifyReply, { status, code, message }: Problem): void {
  void reply
    .code(status)
    .type("application/problem+json")
    .send(JSON.stringify({ type: "about:blank", title: message, status, code, detail: message }));
}
