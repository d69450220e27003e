import { ReasonCode } from "@weir/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EngineError } from "../core/ports/engine.ts";
import type { PublishRequest } from "../core/session/broker-core.ts";
import { ADMIN_KEY, MAX_PAYLOAD_BYTES, problem, RestFixture } from "../../testing/rest-fixture.ts";

let rest: RestFixture;

beforeEach(async () => {
  rest = await RestFixture.open();
});

afterEach(() => rest.close());

describe("messages", () => {
  it("POST publishes as the caller, bounded by its ACL", async () => {
    const { key } = await rest.admin.tokens.create({
      subject: "u1",
      scopes: ["messages"],
      acl: [{ actions: ["publish"], topic: "data/${subject}/#" }],
    });
    await rest.clientOf(key).messages.publish({
      topic: "data/u1/x",
      payload: { a: 1 },
      qos: 1,
      retain: true,
      expiry: 60,
      contentType: "application/json",
      responseTopic: "data/u1/r",
      correlationData: "c",
      userProperties: [
        ["k", "1"],
        ["k", "2"],
      ],
    });
    const { principal, ...request } = rest.published[0] as PublishRequest;
    expect(request).toEqual({
      tenant: "default",
      topic: "data/u1/x",
      payload: Buffer.from('{"a":1}'),
      qos: 1,
      retain: true,
      expiryS: 60,
      properties: {
        contentType: "application/json",
        responseTopic: "data/u1/r",
        correlationData: Buffer.from("c"),
        userProperties: [
          ["k", "1"],
          ["k", "2"],
        ],
      },
    });
    expect(principal).toMatchObject({ identity: { realm: "token", subject: "u1" } });
    expect(principal?.policy.checkPublish("data/u2/x", ["data", "u2", "x"], 0, false)).toBe("denied");
  });

  it.each([
    [{ topic: "a", payload: "text" }, "text"],
    [{ topic: "a", payload: "" }, ""],
    [{ topic: "a", payload: null }, "null"],
    [{ topic: "a", payload: [1, "x"] }, '[1,"x"]'],
    [{ topic: "a", payloadBase64: "AAECAw==" }, "\u0000\u0001\u0002\u0003"],
  ])("POST %j sends its payload", async (body, payload) => {
    expect(await rest.call("POST", "/api/v1/messages", { body: JSON.stringify(body) })).toMatchObject({
      status: 200,
      body: {},
    });
    expect(Buffer.from((rest.published[0] as PublishRequest).payload).toString()).toBe(payload);
  });

  it.each([
    [{ topic: "a/+", payload: "" }, /^topic: must be a topic/],
    [{ topic: "a/#", payload: "" }, /^topic: must be a topic/],
    [{ topic: "", payload: "" }, /^topic: /],
    [{ topic: "a\u0000", payload: "" }, /^topic: /],
    [{ topic: `${"x".repeat(100)}y`, payload: "" }, /^topic: /],
    [{ topic: "a/b/c/d/e/f/g/h/i", payload: "" }, /^topic: /],
    [{ topic: "a", payload: "", responseTopic: "r/#" }, /^responseTopic: /],
    [{ topic: "a" }, /^give one of payload and payloadBase64/],
    [{ topic: "a", payload: "", payloadBase64: "" }, /^give one of payload and payloadBase64/],
    [{ topic: "a", payloadBase64: "!" }, /^payloadBase64: is not base64/],
    [{ topic: "a", payload: "", qos: 3 }, /^qos: must be <= 2/],
    [{ topic: "a", payload: "", dup: true }, /^dup: is not known/],
    [{ payload: "" }, /^the body: must have required properties topic/],
  ])("POST %j is 400 invalid and says why", async (body, detail) => {
    const answer = await rest.call("POST", "/api/v1/messages", { body: JSON.stringify(body) });
    expect(answer).toMatchObject(problem(400, "invalid"));
    expect((answer.body as { detail: string }).detail).toMatch(detail);
    expect(rest.published).toEqual([]);
  });

  it("what the core and the engine refuse is told: 403 acl, 503 unavailable, 503 not-durable", async () => {
    const body = '{"topic":"a","payload":""}';
    rest.publishing = async () => ({
      kind: "refused",
      reasonCode: ReasonCode.notAuthorized,
      reason: "not authorized",
    });
    expect(await rest.call("POST", "/api/v1/messages", { body })).toMatchObject(
      problem(403, "acl", "not authorized"),
    );
    rest.publishing = async () => ({ kind: "refused", reasonCode: ReasonCode.quotaExceeded, reason: "full" });
    expect(await rest.call("POST", "/api/v1/messages", { body })).toMatchObject(problem(503, "unavailable"));
    rest.publishing = () => Promise.reject(new EngineError("timeout", "t", true));
    expect(await rest.call("POST", "/api/v1/messages", { body })).toMatchObject(problem(503, "not-durable"));
    rest.publishing = () => Promise.reject(new EngineError("full", "t"));
    expect(await rest.call("POST", "/api/v1/messages", { body })).toMatchObject(problem(503, "unavailable"));
    rest.publishing = () => Promise.reject(new Error(`a mistake that quotes ${ADMIN_KEY}`));
    const internal = await rest.call("POST", "/api/v1/messages", { body });
    expect(internal).toMatchObject(problem(500, "internal"));
    expect(JSON.stringify(internal.body)).not.toContain("mistake that quotes");
  });

  it("PUT /topics/{topic} publishes the body as it is", async () => {
    const body = new Uint8Array([0, 255, 123]);
    const put = await rest.call("PUT", "/api/v1/topics//a%20b/c?retain=true&qos=1", {
      body,
      headers: { "content-type": "image/png" },
    });
    expect(put.status).toBe(200);
    expect(rest.published[0]).toMatchObject({
      topic: "/a b/c",
      retain: true,
      qos: 1,
      properties: { contentType: "image/png" },
    });
    expect([...(rest.published[0] as PublishRequest).payload]).toEqual([...body]);
    expect(await rest.call("PUT", "/api/v1/topics/a%2B?retain=1")).toMatchObject(problem(400, "invalid"));
    expect(await rest.call("PUT", "/api/v1/topics/a?retain=perhaps")).toMatchObject(problem(400, "invalid"));
  });

  it("a payload above the maximum is 413 too-large", async () => {
    const tooLarge = new Uint8Array(MAX_PAYLOAD_BYTES + 1);
    expect(await rest.call("PUT", "/api/v1/topics/a", { body: tooLarge })).toMatchObject(
      problem(413, "too-large"),
    );
    const body = JSON.stringify({ topic: "a", payload: "x".repeat(MAX_PAYLOAD_BYTES + 1) });
    expect(await rest.call("POST", "/api/v1/messages", { body })).toMatchObject(problem(413, "too-large"));
    const huge = JSON.stringify({ topic: "a", payload: "x".repeat(1_000_000) });
    expect(await rest.call("POST", "/api/v1/messages", { body: huge })).toMatchObject(
      problem(413, "too-large"),
    );
  });
});
