import {
  createProblem,
  PROBLEM_CONTENT_TYPE,
  type Problem,
  type ProblemCode,
  problemStatus,
} from "@weir/api";
import type { FastifyReply } from "fastify";
import { AdminError } from "../admin/admin-error.ts";

/** A request was refused before a use case was asked. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly code: ProblemCode;
  /** Seconds, with `rate`. */
  readonly retryAfterS: number | undefined;

  constructor(code: ProblemCode, message: string, retryAfterS?: number) {
    super(message);
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/** What the caller is told of an error: of unexpected ones nothing but that it was the broker's fault. */
export function problemOf(error: unknown): Problem {
  if (error instanceof AdminError || error instanceof RequestError)
    return createProblem(error.code, maskKeys(error.message));
  const { statusCode, code } = (error ?? {}) as { readonly statusCode?: unknown; readonly code?: unknown };
  if (statusCode === 413) return createProblem("too-large", "the body is larger than this call allows");
  if (statusCode === 404) return createProblem("not-found");
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500) {
    return createProblem("invalid", typeof code === "string" ? FRAMEWORK_DETAILS[code] : undefined);
  }
  return createProblem("internal");
}

const KEY = /\bweir_([0-9a-z]{1,64})_[\w-]+/g;

/** A detail may quote the request, and a key may have slipped into that. Its id is no secret. */
export function maskKeys(detail: string): string {
  return detail.replace(KEY, "weir_$1_[redacted]");
}

/** The framework's own messages may quote the request. */
const FRAMEWORK_DETAILS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "the body is not as long as Content-Length says",
  FST_ERR_BAD_URL: "the path is not valid percent-encoding",
  FST_ERR_MAX_PARAM_LENGTH: "a part of the path is too long",
};

/** When it is worth trying again, where that is known. */
export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof AdminError || error instanceof RequestError ? error.retryAfterS : undefined;
}

export function sendProblem(reply: FastifyReply, problem: Problem, retryAfterS?: number): FastifyReply {
  if (retryAfterS !== undefined)
    void reply.header("retry-after", String(Math.max(1, Math.ceil(retryAfterS))));
  if (problem.status === problemStatus.unauthenticated) {
    void reply.header("www-authenticate", 'Bearer realm="weir"');
  }
  return reply
    .code(problem.status)
    .type(PROBLEM_CONTENT_TYPE)
    .send(Buffer.from(JSON.stringify(problem)));
}
