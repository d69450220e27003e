import { Validator } from "@seriousme/openapi-schema-validator";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, object>> }>>;
}

interface Document {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

let broker: BrokerFixture;
let document: Document;

beforeAll(async () => {
  broker = await startBroker();
  const { port } = broker.addresses.http;
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/openapi.json`);
  document = (await response.json()) as Document;
});

afterAll(() => broker.close());

function operations(): readonly [call: string, operation: Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path.replace("/api/v1", "")}`,
      operation,
    ]),
  );
}

const named = (path: string): string[] => [
  `GET /${path}`,
  ...["GET", "PUT", "DELETE"].map((method) => `${method} /${path}/{name}`),
];

/** The table of calls, line by line. */
const calls = [
  "POST /tokens",
  "GET /tokens",
  "GET /tokens/{id}",
  "GET /tokens/self",
  "PATCH /tokens/{id}",
  "DELETE /tokens/{id}",
  "GET /sessions",
  "GET /sessions/{id}",
  "POST /sessions",
  "DELETE /sessions/{id}",
  "DELETE /sessions",
  "PUT /sessions/{id}/subscriptions",
  "DELETE /sessions/{id}/subscriptions",
  "POST /messages",
  "PUT /topics/{topic}",
  "GET /retained",
  "DELETE /retained",
  ...["policies", "groups", "providers", "histories", "tenants"].flatMap(named),
  "GET /histories/{name}/messages",
  "POST /tickets",
  "POST /revocations",
  "POST /access/explain",
  "GET /audit",
  "POST /backups",
  "GET /backups",
  "GET /backups/{id}",
];

describe("/api/v1/openapi.json", () => {
  it("is OpenAPI 3.1, by an independent validator", async () => {
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document) as never)).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
  });

  it("describes every call and no other", () => {
    expect(
      operations()
        .map(([call]) => call)
        .sort(),
    ).toEqual([...calls].sort());
  });

  it("gives each operation a name of its own, a sentence, and a tag that is explained", () => {
    const all = operations().map(([, operation]) => operation);
    expect(new Set(all.map(({ operationId }) => operationId)).size).toBe(all.length);
    const known = document.tags.map(({ name }) => name);
    for (const { summary, tags } of all) {
      expect(summary).toMatch(/^[A-Z]/);
      expect(known).toEqual(expect.arrayContaining([...tags]));
    }
  });

  it("tells what each operation answers: done, and as a problem what was wrong", () => {
    for (const [call, { responses }] of operations()) {
      expect([call, Object.keys(responses).some((status) => status.startsWith("2"))]).toEqual([call, true]);
      for (const status of ["400", "401", "403", "429", "500", "503"])
        expect([call, responses[status]?.content]).toEqual([
          call,
          { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        ]);
    }
    expect(Object.keys(document.components.schemas)).toEqual(["Problem"]);
  });

  it("describes bodies by the schemas that check them", async () => {
    const create = document.paths["/api/v1/tokens"]?.["post"]?.requestBody?.content["application/json"];
    expect(create?.schema).toMatchObject({
      additionalProperties: false,
      properties: { ttl: { type: "integer", minimum: 1 } },
    });
    await expect(broker.rest("POST", "/tokens", { ttl: 0 })).rejects.toThrow("ttl: must be >= 1");
  });

  it("names ?tenant= where it may be given, and nowhere else", () => {
    const withTenant = operations()
      .filter(([, { parameters = [] }]) => parameters.some(({ name }) => name === "tenant"))
      .map(([call]) => call);
    expect(withTenant).toContain("GET /tokens");
    expect(withTenant.filter((call) => /messages|topics|retained/.test(call))).toEqual([]);
  });
});
