import swagger from "@fastify/swagger";
import { Problem, PROBLEM_CONTENT_TYPE, problemStatus, problemTitle, type ProblemCode } from "@weir/api";
import type { FastifyInstance, FastifySchema, RouteOptions } from "fastify";
import Type, { type TObject, type TSchema } from "typebox";

const TAGS = [
  { name: "tokens", description: "Access tokens: made, changed while in use, ended" },
  { name: "tickets", description: "One-time tickets for WebSocket addresses" },
  { name: "sessions", description: "MQTT sessions, connected or not" },
  { name: "messages", description: "Publish, and read what is retained" },
  { name: "policies", description: "Policies that tokens and groups name" },
  { name: "groups", description: "Authorization groups: a claim's value to policies" },
  { name: "providers", description: "OAuth providers whose JWTs are accepted" },
  { name: "revocations", description: "JWTs that end before their time" },
  { name: "histories", description: "Topics that are always logged" },
  { name: "tenants", description: "Isolated topic spaces" },
  { name: "access", description: "Why does this user (not) see this?" },
  { name: "audit", description: "Who changed what, when and from where" },
  { name: "backups", description: "Copies of the whole store" },
];

const DESCRIPTION = [
  "REST for everything of a Weir broker that is not time-critical.",
  "Errors are `application/problem+json` with a stable `code`; lists page by `cursor` and `limit`;",
  "a POST with an `Idempotency-Key` is safe to send again; changes take `If-Match` with an `ETag`.",
].join(" ");

/** Describes the routes that are added after it, at `/api/v1/openapi.json`: by the schemas that check the requests. */
export async function addOpenApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Weir", description: DESCRIPTION, version },
      tags: TAGS,
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer", description: "An access token, or a JWT" },
        },
      },
      security: [{ bearer: [] }],
    },
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, at) => (typeof $id === "string" ? $id : `schema${at}`),
    },
    transform: describe,
  });
  app.addSchema({ $id: "Problem", ...Problem });
  app.get("/api/v1/openapi.json", { schema: { hide: true } }, async () => app.swagger());
}

/** Of the one call whose body is no JSON, but the payload. */
const RawBody = Type.Unsafe<string>({ type: "string", format: "binary", description: "The payload" });

interface Described {
  readonly schema: FastifySchema;
  readonly url: string;
  readonly route: RouteOptions;
}

/** What every route has besides its own: its name, ?tenant=, conditional headers, and the problems it may answer with. */
function describe({ schema, url, route }: Described): { schema: FastifySchema; url: string } {
  if (!schema || schema.hide) return { schema, url };
  const method = String(route.method);
  const querystring = describeQuery(schema.querystring as TObject | undefined, route);
  const headers = headersOf(method, url);
  return {
    url: url.replace("*", "{topic}"),
    schema: {
      ...schema,
      operationId: operationIdOf(method, url),
      ...(schema.params !== undefined && { params: describePath(schema.params as TObject) }),
      ...(url.includes("*") && { body: RawBody }),
      ...(querystring && { querystring }),
      ...(headers && { headers }),
      response: {
        ...describeAnswers(schema.response as Answers | undefined),
        ...problemsOf(method, url),
      },
    },
  };
}

type Answers = Readonly<Record<string, TSchema>>;

const ANSWERS: Readonly<Record<string, string>> = { 200: "Done", 201: "Made", 202: "Begun" };

/** What a call answers with when it is done: without a schema, nothing. */
function describeAnswers(answers: Answers = { 204: Type.Null({ description: "Done" }) }): Answers {
  const described = Object.entries(answers).map(([status, schema]) => [
    status,
    { description: ANSWERS[status], ...schema },
  ]);
  return Object.fromEntries(described) as Answers;
}

/** `GET /api/v1/tokens/:id` is `getTokensById`. */
function operationIdOf(method: string, url: string): string {
  const words = url
    .replace(/^\/api\/v1\//, "")
    .split("/")
    .map((segment) => segment.replace(/^:/, "by-").replace("*", "topic"));
  return [method.toLowerCase(), ...words.flatMap((word) => word.split("-")).map(capitalized)].join("");
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function describePath(params: TObject): TObject {
  const topic = params.properties["*"];
  return topic ? Type.Object({ topic }) : params;
}

function describeQuery(querystring: TObject | undefined, route: RouteOptions): TObject | undefined {
  if (route.config?.isOfOwnTenant) return querystring;
  const tenant = Type.Optional(
    Type.String({ description: "Another tenant than one's own; needs the scope tenants" }),
  );
  return Type.Object({ ...querystring?.properties, tenant });
}

function headersOf(method: string, url: string): TSchema | undefined {
  const text = (description: string): TSchema => Type.Optional(Type.String({ description }));
  if (method === "POST")
    return Type.Object({ "idempotency-key": text("Sent again with it, the request is answered as before") });
  if (!hasTag(url) || method === "GET") return undefined;
  const ifMatch = text("The ETag of what is to be changed; * for any");
  if (method !== "PUT") return Type.Object({ "if-match": ifMatch });
  return Type.Object({ "if-match": ifMatch, "if-none-match": text("*: it must not be there yet") });
}

/** Whether what is at this address has an ETag. */
function hasTag(url: string): boolean {
  return /\/tokens\/:id$|\/:name$/.test(url);
}

/** By status, since several codes share one. */
function problemsOf(method: string, url: string): Record<number, object> {
  const codes: ProblemCode[] = ["invalid", "unauthenticated", "scope", "rate", "internal", "unavailable"];
  if (/[:*]/.test(url)) codes.push("not-found");
  if (/messages$|topics|retained|subscriptions$/.test(url)) codes.push("acl");
  if (method !== "GET") codes.push("conflict", "not-durable");
  if (hasTag(url) || url.endsWith("/backups")) codes.push("precondition");
  if (method === "POST" || method === "PUT" || method === "PATCH") codes.push("too-large");
  const problems: Record<number, object> = {};
  for (const [status, ofStatus] of Map.groupBy(codes, (code) => problemStatus[code])) {
    problems[status] = {
      description: ofStatus.map((code) => `\`${code}\`: ${problemTitle[code]}`).join("; "),
      content: { [PROBLEM_CONTENT_TYPE]: { schema: Type.Ref("Problem#") } },
    };
  }
  return problems;
}
