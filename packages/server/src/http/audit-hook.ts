import type { FastifyReply, FastifyRequest } from "fastify";
import type { AuditLog, AuditReport } from "../admin/audit-log.ts";
import type { Authorization } from "./authorization.ts";
import { isReplayed } from "./idempotent-answers.ts";
import { maskKeys } from "./problem-reply.ts";
import type { RestApi } from "./rest-api.ts";

/** What is used of the audit log. */
export type AuditUseCases = Pick<AuditLog, "record" | "list">;

const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  PUT: "put",
  PATCH: "update",
  DELETE: "delete",
};
const MAX_VALUE_CHARACTERS = 256;
const MAX_MEMBERS = 64;

declare module "fastify" {
  interface FastifyContextConfig {
    /** False: the call changes nothing, or publishes, which is no administration. */
    readonly isAudited?: boolean;
  }
}

/** Notes every change that REST makes before it is answered: no route has to remember to. */
export function addAuditing(api: RestApi, audit: AuditUseCases, authorization: Authorization): void {
  api.addHook("onSend", async (request, reply, payload) => {
    const outcome = outcomeOf(request, reply, payload);
    const verb = VERBS[request.method];
    if (outcome === undefined || verb === undefined || request.routeOptions.config.isAudited === false)
      return payload;
    const report = { ...detailsOf(request), action: actionOf(request, verb), outcome };
    await audit.record(authorization.callerOf(request), { ...report, target: targetOf(request, reply) });
    return payload;
  });
}

/** Undefined: nothing has changed. */
function outcomeOf(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): AuditReport["outcome"] | undefined {
  const { statusCode } = reply;
  if (statusCode >= 200 && statusCode < 300) return isReplayed(reply) ? undefined : "done";
  const isUnknown = statusCode === 503 && String(payload).includes('"code":"not-durable"');
  return isUnknown ? "unknown" : undefined;
}

/** `DELETE /api/v1/sessions/:id/subscriptions` is `sessions.subscriptions.delete`. */
function actionOf({ routeOptions }: FastifyRequest, verb: string): string {
  const segments = (routeOptions.url ?? "").replace(/^\/api\/v1\//, "").split("/");
  return [...segments.filter((segment) => !/^[:*]/.test(segment)), verb].join(".");
}

function targetOf(request: FastifyRequest, reply: FastifyReply): string | undefined {
  const { id, name } = request.params as { readonly id?: string; readonly name?: string };
  const made = reply.getHeader("location");
  return id ?? name ?? (typeof made === "string" ? made.split("/").at(-1) : undefined);
}

/** The query as it is, since nothing secret belongs there; of the body the names alone. */
function detailsOf({ query, body }: FastifyRequest): Pick<AuditReport, "query" | "members"> {
  const asked = Object.entries(query as Record<string, unknown>).map(([name, value]) => [
    name,
    maskKeys(String(value)).slice(0, MAX_VALUE_CHARACTERS),
  ]);
  const members = typeof body === "object" && body !== null ? Object.keys(body).slice(0, MAX_MEMBERS) : [];
  return {
    ...(asked.length > 0 && { query: Object.fromEntries(asked) as Record<string, string> }),
    ...(members.length > 0 && { members }),
  };
}
