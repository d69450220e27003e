import { afterEach, describe, expect, it } from "vitest";
import { problem, RestFixture, type RestFixtureOptions } from "../../testing/rest-fixture.ts";

let rest: RestFixture;

async function open(options?: RestFixtureOptions): Promise<void> {
  rest = await RestFixture.open(options);
}

afterEach(() => rest.close());

const makeToken = (headers: Record<string, string>, body: object = { name: "t", ttl: 60 }) =>
  rest.call("POST", "/api/v1/tokens", { headers, body: JSON.stringify(body) });

describe("Idempotency-Key", () => {
  it("the same key and body: the same answer, and one token", async () => {
    await open();
    const headers = { "idempotency-key": "k1" };
    const first = await makeToken(headers);
    const again = await makeToken(headers);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect([first, again].map((answer) => answer.headers.get("idempotency-replayed"))).toEqual([
      null,
      "true",
    ]);
    expect((await rest.admin.tokens.list()).items).toHaveLength(2);
    expect((await rest.admin.audit.list({ action: "tokens.create" })).items).toHaveLength(1);
  });

  it("the same key and another body: 409 conflict, and nothing done", async () => {
    await open();
    await makeToken({ "idempotency-key": "k1" });
    expect(await makeToken({ "idempotency-key": "k1" }, { name: "other", ttl: 60 })).toMatchObject(
      problem(409, "conflict", "Idempotency-Key: was used for another request"),
    );
  });

  it("a refusal is repeated, too; what the engine could not do is tried again", async () => {
    await open();
    const publish = () =>
      rest.call("POST", "/api/v1/messages", {
        headers: { "idempotency-key": "k" },
        body: JSON.stringify({ topic: "a", payload: "" }),
      });
    rest.publishing = () => Promise.reject(new Error("no"));
    expect((await publish()).status).toBe(500);
    rest.publishing = async () => ({ kind: "accepted" });
    expect((await publish()).status).toBe(200);
    expect((await publish()).status).toBe(200);
    expect(rest.published).toHaveLength(2);
  });

  it("while the first request is still being worked on: 409 conflict", async () => {
    await open();
    const { promise, resolve } = Promise.withResolvers<void>();
    rest.publishing = () => promise.then(() => ({ kind: "accepted" as const }));
    const publish = () =>
      rest.call("POST", "/api/v1/messages", {
        headers: { "idempotency-key": "k" },
        body: JSON.stringify({ topic: "a", payload: "" }),
      });
    const first = publish();
    await expect.poll(() => rest.published.length).toBe(1);
    expect(await publish()).toMatchObject(problem(409, "conflict"));
    resolve();
    expect((await first).status).toBe(200);
  });

  it("is each caller's own, ends after a day, and must be visible ASCII", async () => {
    await open();
    const { key } = await rest.admin.tokens.create({ ttl: 1_000_000, scopes: ["admin"] });
    const headers = { "idempotency-key": "k1" };
    const mine = await makeToken(headers);
    const body = JSON.stringify({ name: "t", ttl: 60 });
    const theirs = await rest.call("POST", "/api/v1/tokens", { headers, body, key });
    expect(theirs.body).not.toEqual(mine.body);
    rest.clock.advance(86_400_000);
    expect((await makeToken(headers)).body).not.toEqual(mine.body);
    expect(await makeToken({ "idempotency-key": "a b" })).toMatchObject(problem(400, "invalid"));
  });
});

describe("ETag of a token", () => {
  it("If-Match lets a change through only where nothing was changed since; use is no change", async () => {
    await open();
    const made = await makeToken({});
    const { id, key } = made.body as { id: string; key: string };
    const path = `/api/v1/tokens/${id}`;
    await rest.call("GET", "/api/v1/tokens/self", { key });
    const etag = (await rest.call("GET", path)).headers.get("etag") as string;
    expect(etag).toBe(made.headers.get("etag"));
    const change = (name: string, ifMatch: string) =>
      rest.call("PATCH", path, { body: JSON.stringify({ name }), headers: { "if-match": ifMatch } });
    expect((await change("a", etag)).status).toBe(200);
    expect(await change("b", etag)).toMatchObject(problem(412, "precondition"));
    expect((await change("b", "*")).status).toBe(200);
    expect(await rest.call("DELETE", path, { headers: { "if-match": etag } })).toMatchObject(
      problem(412, "precondition"),
    );
  });
});

describe("CORS", () => {
  const preflight = (origin: string) =>
    rest.call("OPTIONS", "/api/v1/tokens", {
      key: "",
      headers: { origin, "access-control-request-method": "POST" },
    });

  it("a page of a listed origin may ask before it sends, without a credential, and read the answer", async () => {
    await open({ corsOrigins: ["https://app.example.com"] });
    const asked = await preflight("https://app.example.com");
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
    expect(asked.headers.get("access-control-allow-headers")).toMatch(/Authorization.*Idempotency-Key/);
    expect(asked.headers.get("access-control-allow-methods")).toMatch(/PATCH/);
    const origin = { origin: "https://app.example.com" };
    const answer = await rest.call("GET", "/api/v1/tokens", { headers: origin });
    expect(answer.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
    expect(answer.headers.get("vary")).toMatch(/origin/i);
    const refused = await rest.call("GET", "/api/v1/tokens", { headers: origin, key: "wrong" });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([
      401,
      "https://app.example.com",
    ]);
  });

  it("other origins, and everybody where none is listed, get no leave", async () => {
    await open({ corsOrigins: ["https://app.example.com"] });
    expect((await preflight("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
    await rest.close();
    await open();
    const answer = await preflight("https://app.example.com");
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    expect(answer.headers.get("access-control-allow-methods")).toBeNull();
  });
});

describe("methods", () => {
  it("HEAD as GET without a body, OPTIONS with Allow, others 405 with Allow", async () => {
    await open();
    const head = await rest.call("HEAD", "/api/v1/tokens");
    expect([head.status, head.body]).toEqual([200, ""]);
    const options = await rest.call("OPTIONS", "/api/v1/tokens/x", { key: "" });
    expect([options.status, options.headers.get("allow")]).toEqual([204, "DELETE, GET, HEAD, PATCH"]);
    const put = await rest.call("PUT", "/api/v1/tokens/x", { body: "{}" });
    expect(put).toMatchObject(problem(405, "invalid"));
    expect(put.headers.get("allow")).toBe("DELETE, GET, HEAD, PATCH");
    expect(await rest.call("OPTIONS", "/api/v1/nothing")).toMatchObject(problem(404, "not-found"));
  });
});

describe("?tenant=", () => {
  it("is for admins of the system, and for tenants that are there; one's own may be named by all", async () => {
    await open();
    const { key } = await rest.admin.tokens.create({ ttl: 60, scopes: ["admin"] });
    expect(await rest.call("GET", "/api/v1/tokens?tenant=x", { key })).toMatchObject(problem(403, "scope"));
    expect(await rest.call("GET", "/api/v1/tokens?tenant=x")).toMatchObject(problem(404, "not-found"));
    expect((await rest.call("GET", "/api/v1/tokens?tenant=default", { key })).status).toBe(200);
    expect(await rest.call("GET", "/api/v1/tokens?tenant=a&tenant=b")).toMatchObject(problem(400, "invalid"));
  });

  it("is unknown to calls that act under the caller's own ACL", async () => {
    await open();
    const body = JSON.stringify({ topic: "a", payload: "" });
    for (const [method, path] of [
      ["POST", "/messages"],
      ["PUT", "/topics/a"],
      ["GET", "/retained"],
    ] as const) {
      const answer = await rest.call(method, `/api/v1${path}?tenant=default&filter=a`, {
        ...(method !== "GET" && { body }),
      });
      expect([path, answer.status]).toEqual([path, 400]);
    }
  });
});

describe("429 rate", () => {
  it("one credential asks too often: Retry-After; another is not held up", async () => {
    await open({ maxRequestRate: 2 });
    const { key } = await rest.admin.tokens.create({ ttl: 60, scopes: ["admin"] });
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await rest.call("GET", "/api/v1/tokens", { key }));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 429]);
    expect(answers[4]).toMatchObject(problem(429, "rate"));
    expect(answers[4]?.headers.get("retry-after")).toBe("1");
    expect((await rest.call("GET", "/api/v1/tokens")).status).toBe(200);
    rest.clock.advance(1_000);
    expect((await rest.call("GET", "/api/v1/tokens", { key })).status).toBe(200);
  });
});

describe("the audit log", () => {
  it("keeps the last so many changes, also over a restart, and announces each", async () => {
    await open();
    for (let i = 0; i < 7; i++) await makeToken({}, { name: `t${i}`, ttl: 60 });
    expect((await rest.admin.audit.list()).items).toHaveLength(5);
    expect(rest.announced).toEqual(Array.from({ length: 7 }, () => "$audit/tokens/create"));
    const kept = [];
    for await (const { key } of rest.engine.kv("audit").list("")) kept.push(key);
    expect(kept).toHaveLength(5);
  });
});
