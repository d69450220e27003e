import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Caller } from "../admin/scope.ts";
import type { Authorization } from "./authorization.ts";
import { RequestError } from "./problem-reply.ts";
import type { RestApi } from "./rest-api.ts";

const KEY = /^[\x21-\x7e]{1,255}$/;
const MAX_ANSWERS = 10_000;
const MAX_ANSWER_BYTES = 16 * 1_048_576;
const KEPT_MS = 86_400_000;
/** Tells an answer that was given before. */
const REPLAYED = "idempotency-replayed";
const KEPT_HEADERS = ["content-type", "location", "etag"] as const;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Attempt {
  /** Of what was asked. */
  readonly fingerprint: string;
  readonly beganAtMs: number;
  /** Undefined: it is still being worked on. */
  answer: Answer | undefined;
}

/**
 * Answers a POST that is sent again under its Idempotency-Key as it was answered the first time. In memory: after a
 * restart a key is new. The oldest go where there are more than {@link MAX_ANSWERS} or {@link MAX_ANSWER_BYTES}.
 */
export class IdempotentAnswers {
  readonly #authorization: Authorization;
  /** The oldest first. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #pending = new WeakMap<FastifyRequest, string>();
  readonly #nowMs: () => number;
  #bytes = 0;

  constructor(authorization: Authorization, nowMs: () => number) {
    this.#authorization = authorization;
    this.#nowMs = nowMs;
  }

  addTo(api: RestApi): void {
    api.addHook("preHandler", async (request, reply) => this.#begin(request, reply));
    api.addHook("onSend", async (request, reply, payload) => {
      this.#end(request, reply, payload);
      return payload;
    });
  }

  #begin(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const given = request.headers["idempotency-key"];
    if (given === undefined || request.method !== "POST") return undefined;
    if (typeof given !== "string" || !KEY.test(given))
      throw new RequestError("invalid", "Idempotency-Key: must be 1 to 255 visible ASCII characters");
    const key = `${callerKey(this.#authorization.callerOf(request))} ${given}`;
    const fingerprint = fingerprintOf(request);
    const known = this.#known(key);
    if (!known) {
      this.#attempts.set(key, { fingerprint, beganAtMs: this.#nowMs(), answer: undefined });
      this.#pending.set(request, key);
      return undefined;
    }
    if (known.fingerprint !== fingerprint)
      throw new RequestError("conflict", "Idempotency-Key: was used for another request");
    if (!known.answer)
      throw new RequestError("conflict", "Idempotency-Key: the first request is still being worked on");
    const { status, headers, body } = known.answer;
    return reply
      .code(status)
      .headers({ ...headers, [REPLAYED]: "true" })
      .send(body);
  }

  /** What may turn out differently the next time is not kept. */
  #end(request: FastifyRequest, reply: FastifyReply, payload: unknown): void {
    const key = this.#pending.get(request);
    if (key === undefined) return;
    this.#pending.delete(request);
    const attempt = this.#attempts.get(key);
    if (!attempt) return;
    if (reply.statusCode >= 500 || reply.statusCode === 429) {
      this.#attempts.delete(key);
      return;
    }
    attempt.answer = { status: reply.statusCode, headers: headersOf(reply), body: textOf(payload) };
    this.#bytes += attempt.answer.body.length;
    this.#makeRoom();
  }

  #known(key: string): Attempt | undefined {
    const known = this.#attempts.get(key);
    if (!known || this.#nowMs() - known.beganAtMs < KEPT_MS) return known;
    this.#forget(key, known);
    return undefined;
  }

  #makeRoom(): void {
    for (const [key, attempt] of this.#attempts) {
      if (this.#attempts.size <= MAX_ANSWERS && this.#bytes <= MAX_ANSWER_BYTES) return;
      if (attempt.answer) this.#forget(key, attempt);
    }
  }

  #forget(key: string, { answer }: Attempt): void {
    this.#attempts.delete(key);
    this.#bytes -= answer?.body.length ?? 0;
  }
}

/** Whether the answer was given before, and nothing was done for it now. */
export function isReplayed(reply: FastifyReply): boolean {
  return reply.hasHeader(REPLAYED);
}

/** The same key of two callers is two keys. */
function callerKey({ principal, token, tenant }: Caller): string {
  const { realm, subject } = principal.identity;
  return JSON.stringify([tenant, token?.id ?? null, realm, subject]);
}

function fingerprintOf({ url, body }: FastifyRequest): string {
  return createHash("sha256")
    .update(JSON.stringify([url, body ?? null]))
    .digest("base64url");
}

function headersOf(reply: FastifyReply): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = reply.getHeader(name);
    if (value !== undefined) headers[name] = String(value);
  }
  return headers;
}

function textOf(payload: unknown): string {
  return Buffer.isBuffer(payload) ? payload.toString() : typeof payload === "string" ? payload : "";
}
