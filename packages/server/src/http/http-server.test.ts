import { connect, type Socket } from "node:net";
import { createWeirClient, ProblemError } from "@weir/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN_KEY, problem, RestFixture } from "../../testing/rest-fixture.ts";

let rest: RestFixture;

beforeEach(async () => {
  rest = await RestFixture.open();
});

afterEach(() => rest.close());

describe("the typed client", () => {
  it("throws ProblemError with status, code and detail", async () => {
    const error = await rest.admin.tokens.get("nothing").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ status: 404, code: "not-found", detail: "there is no token with this id" });
  });

  it("refuses a URL that is none, and takes one with a path or a slash", async () => {
    expect(() => createWeirClient({ url: "localhost:8080", token: "t" })).toThrow(
      "is not an http or https URL",
    );
    expect(await createWeirClient({ url: `${rest.url}/`, token: ADMIN_KEY }).tokens.self()).toHaveProperty(
      "id",
    );
    expect(
      await createWeirClient({ url: `${rest.url}/api/v1`, token: ADMIN_KEY }).tokens.self(),
    ).toHaveProperty("id");
  });
});

describe("everything else", () => {
  it("JSON that is none, and poisoned JSON, are 400 without a quotation", async () => {
    for (const body of ["{", '{"__proto__": {"x": 1}}', '"secret', ""]) {
      const answer = await rest.call("POST", "/api/v1/tokens", { body });
      expect(answer).toMatchObject(problem(400, "invalid"));
      expect(JSON.stringify(answer.body)).not.toContain("secret");
    }
  });

  it("JSON nested more than 32 levels deep is 400, however deep it is", async () => {
    for (const levels of [31, 32, 200_000]) {
      const metadata = `${'{"a":'.repeat(levels - 1)}1${"}".repeat(levels - 1)}`;
      const answer = await rest.call("POST", "/api/v1/tokens", { body: `{"metadata":${metadata}}` });
      expect(answer.status).toBe(levels > 32 ? 400 : 201);
    }
    const payload = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    const message = await rest.call("POST", "/api/v1/messages", {
      body: `{"topic":"a","payload":${payload}}`,
    });
    expect(message).toMatchObject(problem(400, "invalid"));
  });

  it("an unknown path is a 404 problem, bytes that are no HTTP a 400 problem", async () => {
    expect(await rest.call("GET", "/nothing")).toMatchObject(problem(404, "not-found"));
    expect(await rest.call("GET", "/api/v1/nothing")).toMatchObject(problem(404, "not-found"));
    expect(await rest.call("GET", "/%zz")).toMatchObject(problem(400, "invalid"));
    const answer = await exchange("NOT HTTP\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"invalid"/s);
  });

  it("/healthz is open, /readyz says what still recovers", async () => {
    expect(await rest.call("GET", "/healthz", { key: "" })).toMatchObject({
      status: 200,
      body: { status: "ok" },
    });
    expect(await rest.call("GET", "/readyz", { key: "" })).toMatchObject({
      status: 200,
      body: { problems: [] },
    });
    rest.isReady = false;
    expect(await rest.call("GET", "/readyz", { key: "" })).toMatchObject({
      status: 503,
      body: { problems: ["sessions still recover"] },
    });
  });

  it("/metrics is open to this machine, else it needs the scope", async () => {
    const local = await rest.call("GET", "/metrics", { key: "" });
    expect(local.status).toBe(200);
    for (const name of [
      "connections 7",
      "sessions 8",
      'messages_received_total{qos="0"} 0',
      'messages_sent_total{qos="2"} 0',
    ]) {
      expect(local.body).toContain(`weir_${name}`);
    }
    for (const name of [
      "messages_dropped_total",
      "publish_denied_total",
      "auth_failures_total",
      "log_bytes",
      "queue_messages",
      "engine_commit_seconds",
      "event_loop_delay_seconds",
    ]) {
      expect(local.body).toContain(`# TYPE weir_${name} `);
    }
    const proxied = { "x-forwarded-for": "192.0.2.1" };
    expect(await rest.call("GET", "/metrics", { key: "", headers: proxied })).toMatchObject(
      problem(401, "unauthenticated"),
    );
    const { key } = await rest.admin.tokens.create({ scopes: ["metrics"] });
    expect((await rest.call("GET", "/metrics", { key, headers: proxied })).status).toBe(200);
    const other = await rest.admin.tokens.create({});
    expect(await rest.call("GET", "/metrics", { key: other.key, headers: proxied })).toMatchObject(
      problem(403, "scope"),
    );
  });

  it("/metrics is closed to a web page whose name was pointed here", async () => {
    const answer = await exchange(
      "GET /metrics HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  });

  it("pages can be added while it runs, and are served with a strict policy", async () => {
    rest.http.addPage("/demo/", "text/html; charset=utf-8", "<!doctype html>");
    const page = await rest.call("GET", "/demo/?x=1", { key: "" });
    expect(page).toMatchObject({ status: 200, body: "<!doctype html>" });
    expect(page.headers.get("content-security-policy")).toContain("script-src 'self'");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    const etag = page.headers.get("etag") as string;
    expect((await rest.call("GET", "/demo/", { key: "", headers: { "if-none-match": etag } })).status).toBe(
      304,
    );
    expect((await rest.call("HEAD", "/demo/", { key: "" })).headers.get("content-length")).toBe("15");
    expect(await rest.call("POST", "/demo/", { key: "" })).toMatchObject(problem(404, "not-found"));
  });

  it("close() does not wait for connections that were upgraded", async () => {
    rest.http.server.on("upgrade", (_request, socket: Socket) =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    );
    const socket = connect(Number(new URL(rest.url).port), "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => {
      socket.once("data", resolve);
      socket.write(
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      );
    });
    await rest.http.close(50);
    await closed;
  });

  it("a key appears in nothing but the answer that made it", async () => {
    const { id, key } = await rest.admin.tokens.create({ subject: "u1", scopes: ["metrics"] });
    const secret = key.split("_").slice(2).join("_");
    await rest.openSession("s1", key);
    const answers = [
      await rest.call("GET", "/api/v1/tokens"),
      await rest.call("GET", "/api/v1/tokens/self", { key }),
      await rest.call("PATCH", `/api/v1/tokens/${id}`, { body: '{"name": "x"}' }),
      await rest.call("GET", "/api/v1/sessions"),
      await rest.call("GET", `/api/v1/tokens/${key}`),
      await rest.call("GET", `/api/v1/tokens?${key}=1`, { key }),
      await rest.call("GET", "/metrics"),
      await rest.call("GET", `/nothing?token=${key}`),
      await rest.call("GET", "/api/v1/tokens", { key: `${key}x` }),
      await rest.call("DELETE", `/api/v1/tokens/${id}`),
    ];
    rest.publishing = () => Promise.reject(new Error(`quotes ${key} and ${ADMIN_KEY}`));
    answers.push(await rest.call("POST", "/api/v1/messages", { body: '{"topic":"a","payload":""}' }));
    const shown = answers.map((answer) => JSON.stringify([answer.body, [...answer.headers]]));
    expect(shown.filter((text) => text.includes(secret))).toEqual([]);
    expect(rest.output).toContain("an http request failed");
    expect(rest.output).not.toContain(secret);
    expect(rest.output).not.toContain(ADMIN_KEY);
  });
});
function exchange(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(rest.url).port), "127.0.0.1", () => socket.write(request));
    let answer = "";
    socket.on("data", (bytes) => (answer += bytes.toString()));
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}
