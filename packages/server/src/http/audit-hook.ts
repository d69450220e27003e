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
    /** Members of the body that say what it was about, and never hold a secret: these are kept as they are. */
    readonly auditedMembers?: readonly string[];
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

/** The query as it is, since nothing secret belongs there; of the body the names, and the values that the route names. */
function detailsOf({ query, body, routeOptions }: FastifyRequest): Details {
  const { auditedMembers = [] } = routeOptions.config;
  const given = typeof body === "object" && body !== null ? Object.entries(body) : [];
  const values = given.filter(([name]) => auditedMembers.includes(name));
  const members = given.map(([name]) => name).slice(0, MAX_MEMBERS);
  return {
    ...textsOf("query", Object.entries(query as Record<string, unknown>)),
    ...textsOf("values", values),
    ...(members.length > 0 && { members }),
  };
}

type Details = Pick<AuditReport, "query" | "members" | "values">;

function textsOf(name: "query" | "values", pairs: readonly (readonly [string, unknown])[]): Details {
  if (pairs.length === 0) return {};
  const texts = pairs.map(([member, value]) => [member, textOf(value)]);
  return { [name]: Object.fromEntries(texts) as Record<string, string> };
}

function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return maskKeys(text).slice(0, MAX_VALUE_CHARACTERS);
}
