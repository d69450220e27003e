import { type BrokerFixture, type MqttTestClient, type RestAnswer, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

const read = (topic: string) => ({ actions: ["subscribe"], topic });

/** What the backend of an application needs, and no more. */
const template = {
  acl: [
    { actions: ["subscribe", "replay"], topic: "data/${subject}/#" },
    { actions: ["publish"], topic: "commands/${subject}/+", maxQos: 1, retain: false },
    { effect: "deny", actions: ["subscribe"], topic: "data/+/secret/#" },
  ],
  subjects: ["user:*"],
  maxTtl: 3_600,
};

interface Minter {
  readonly id: string;
  readonly key: string;
}

let broker: BrokerFixture;
let minter: Minter;
let users = 0;
/** A subject that no other test uses. */
let user: string;

beforeAll(async () => {
  broker = await startBroker({ anonymous: { allow: "nobody" } });
});
beforeEach(async () => {
  user = `user:${++users}`;
  minter = await makeMinter();
});
afterAll(() => broker.close());

async function makeMinter(mint: object = {}): Promise<Minter> {
  return (await broker.rest("POST", "/tokens", {
    name: "backend",
    mint: { ...template, ...mint },
  })) as Minter;
}

function mint(declaration: object = {}, by = minter): Promise<RestAnswer> {
  const own = { subject: user, acl: [read(`data/${user}/#`)] };
  return broker.restAs(by.key, "POST", "/tokens", { ...own, ...declaration });
}

/** The key of a token that was made. */
async function minted(declaration: object = {}, by = minter): Promise<{ id: string; key: string }> {
  const { status, body } = await mint(declaration, by);
  expect(status, JSON.stringify(body)).toBe(201);
  return body as unknown as { id: string; key: string };
}

async function codeOf(answer: Promise<RestAnswer>): Promise<unknown> {
  const { status, body } = await answer;
  return `${status} ${body["code"] as string}`;
}

function connect(key: string, clientId = user): Promise<MqttTestClient> {
  return broker.connect({ password: key, clientId });
}

describe("POST /tokens by a minting token", () => {
  test("makes a token within its template, without any scope, that ends with the template's ttl", async () => {
    const { status, body } = await mint({ name: "phone", metadata: { device: 1 } });
    expect(status).toBe(201);
    expect(body).toMatchObject({ subject: user, ttl: 3_600, scopes: [], mintedBy: minter.id, name: "phone" });
    expect(body).not.toHaveProperty("mint");
  });

  test.each([
    ["a topic of somebody else", { acl: [read("data/user:x/#")] }, "403 acl"],
    ["everything", { acl: [read("#")] }, "403 acl"],
    [
      "an action that the template has not there",
      { acl: [{ actions: ["publish"], topic: "data/x" }] },
      "403 acl",
    ],
    ["another subject than the template's", { subject: "admin", acl: [] }, "403 acl"],
    ["no subject", { subject: undefined, acl: [] }, "400 invalid"],
    ["a subject that widens a topic", { subject: "user:+", acl: [] }, "400 invalid"],
    ["a longer ttl", { ttl: 3_601 }, "403 acl"],
    ["a user name that is not its subject", { username: "admin", password: "x" }, "403 acl"],
    ["a scope", { scopes: ["metrics"] }, "403 scope"],
    ["a template", { mint: template }, "403 scope"],
  ])("is refused with %s", async (_, declaration, code) => {
    expect(await codeOf(mint(declaration))).toBe(code);
  });

  test("may give it its subject as a user name, with a password", async () => {
    await minted({ username: user, password: "a password" });
    const client = await broker.connect({ username: user, password: "a password", clientId: user });
    expect(client.connack?.reasonCode).toBe(0);
  });

  test("names no policy, whose entries could grow behind its back", async () => {
    await broker.rest("PUT", "/policies/wide", { entries: [read("#")] });
    expect(await codeOf(mint({ policies: ["wide"] }))).toBe("403 acl");
  });

  test("keeps bounds on QoS, retain, client ids, origins, networks, limits and ends", async () => {
    const narrow = await makeMinter({
      clientIds: ["web-*"],
      origins: ["https://*.example.com"],
      networks: ["10.0.0.0/8"],
      limits: { connections: 5 },
      maxExpiresIn: 60,
    });
    const commands = { actions: ["publish"], topic: `commands/${user}/x`, maxQos: 1, retain: false };
    const far = new Date(Date.now() + 61_000).toISOString();
    for (const beyond of [
      { acl: [{ ...commands, maxQos: 2 }] },
      { acl: [{ ...commands, retain: true }] },
      { acl: [{ ...read(`data/${user}/#`), share: ["all"] }] },
      { clientIds: ["*"] },
      { origins: ["https://example.com.evil.test"] },
      { networks: ["10.0.0.0/7"] },
      { limits: { connections: 6 } },
      { expiresAt: far },
    ]) {
      expect(await codeOf(mint(beyond, narrow)), JSON.stringify(beyond)).toBe("403 acl");
    }
    const within = {
      acl: [commands],
      clientIds: ["web-1"],
      origins: ["https://app.example.com"],
      networks: ["10.1.0.0/16"],
      limits: { connections: 1 },
    };
    expect((await mint(within, narrow)).body).toMatchObject(within);
  });

  test("makes no more than maxTokens at one time", async () => {
    const two = await makeMinter({ maxTokens: 2 });
    const all = await Promise.all([1, 2, 3, 4].map((i) => mint({ subject: `${user}-${i}`, acl: [] }, two)));
    expect(all.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 409, 409]);
    const made = all.find(({ status }) => status === 201)?.body["id"] as string;
    await broker.restAs(two.key, "DELETE", `/tokens/${made}`);
    expect((await mint({ subject: user, acl: [] }, two)).status).toBe(201);
  });

  test("says what a template lacks where an admin makes it", async () => {
    const make = (mint: object): Promise<RestAnswer> => broker.restAs(admin(), "POST", "/tokens", { mint });
    expect((await make({ acl: [] })).body["detail"]).toMatch(/subjects/);
    const bad = await make({ subjects: ["*"], acl: [read("a/${clientId}")] });
    expect(bad.body["detail"]).toMatch(/mint\.acl.*mint\.clientIds/);
  });
});

function admin(): string {
  return "the-admin-token-of-a-test-fixture-0123456789";
}

describe("the power of a minting token", () => {
  test("is what it made: it lists, reads, changes and ends those, and no others", async () => {
    const other = await makeMinter();
    const mine = await minted();
    const theirs = await minted({ subject: `${user}-other`, acl: [] }, other);
    const { body } = await broker.restAs(minter.key, "GET", "/tokens");
    expect((body["items"] as { id: string }[]).map(({ id }) => id)).toEqual([mine.id]);
    const path = `/tokens/${mine.id}`;
    expect((await broker.restAs(minter.key, "GET", path)).status).toBe(200);
    expect((await broker.restAs(minter.key, "PATCH", path, { acl: [] })).body).toMatchObject({ acl: [] });
    expect(await codeOf(broker.restAs(minter.key, "PATCH", path, { acl: [read("#")] }))).toBe("403 acl");
    expect(await codeOf(broker.restAs(minter.key, "PATCH", path, { scopes: ["admin"] }))).toBe("403 scope");
    for (const id of [theirs.id, minter.id, other.id]) {
      for (const method of ["GET", "PATCH", "DELETE"])
        expect(
          await codeOf(
            broker.restAs(minter.key, method, `/tokens/${id}`, method === "PATCH" ? {} : undefined),
          ),
        ).toBe("404 not-found");
    }
    expect((await broker.restAs(minter.key, "DELETE", path)).status).toBe(204);
  });

  test("reaches the sessions of what it made, and nothing else of REST", async () => {
    const client = await connect((await minted()).key);
    const stranger = await broker.connect({
      password: await broker.token({ subject: `stranger-${user}`, acl: [] }),
      clientId: `stranger-${user}`,
    });
    const { body } = await broker.restAs(minter.key, "GET", "/sessions");
    expect((body["items"] as { clientId: string }[]).map(({ clientId }) => clientId)).toEqual([user]);
    const ended = await broker.restAs(minter.key, "DELETE", `/sessions?subject=${encodeURIComponent(user)}`);
    expect(ended.body).toEqual({ count: 1 });
    expect((await client.closed).disconnect?.reasonCode).toBe(0x98);
    await broker.restAs(minter.key, "DELETE", `/sessions?clientId=stranger-${user}`);
    await stranger.expectSilence();
    const message = { topic: `commands/${user}/x`, payload: "x" };
    expect(await codeOf(broker.restAs(minter.key, "POST", "/messages", message))).toBe("403 scope");
  });

  test("ends with its scope: what it made has none, is given none by an admin, and makes none", async () => {
    const made = await minted();
    for (const power of [{ scopes: ["admin"] }, { mint: template }])
      expect(await codeOf(broker.restAs(admin(), "PATCH", `/tokens/${made.id}`, power))).toBe("400 invalid");
    expect(await codeOf(broker.restAs(made.key, "POST", "/tokens", { acl: [] }))).toBe("403 scope");
    expect(await codeOf(broker.restAs(made.key, "GET", "/tokens"))).toBe("403 scope");
    expect(await codeOf(broker.restAs(made.key, "GET", "/sessions"))).toBe("403 scope");
  });

  test("is over when it is deleted while it makes one", async () => {
    const answers = await Promise.all([
      mint(),
      broker.rest("DELETE", `/tokens/${minter.id}`),
      mint({ subject: `${user}-2`, acl: [] }),
    ]);
    for (const { status } of [answers[0], answers[2]]) expect([201, 401, 409]).toContain(status);
    const { items } = (await broker.rest("GET", "/tokens?limit=1000")) as { items: { mintedBy?: string }[] };
    expect(items.filter(({ mintedBy }) => mintedBy === minter.id)).toEqual([]);
  });
});

describe("an identity that is another's", () => {
  test("cannot be had: no token for the subject of one that the minting token has not made", async () => {
    const open = await makeMinter({ subjects: ["*"] });
    await broker.token({ subject: `storage-${user}`, acl: [read("#")] });
    expect(await codeOf(mint({ subject: `storage-${user}`, acl: [] }, open))).toBe("409 conflict");
    expect(await codeOf(mint({ subject: minter.id, acl: [] }, open))).toBe("409 conflict");
    await minted();
    expect(await codeOf(mint({}, open))).toBe("409 conflict");
    expect((await mint()).status).toBe(201);
  });

  test("goes to one of two minting tokens that ask for it at once", async () => {
    const both = [minter, await makeMinter()];
    const answers = await Promise.all(both.map((by) => mint({}, by)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409]);
  });

  test("keeps its session, also when its token is gone: a made token neither resumes nor ends it", async () => {
    const theirs = (await broker.rest("POST", "/tokens", { subject: user, acl: [read("data/#")] })) as Minter;
    const properties = { sessionExpiryInterval: 3_600 };
    await broker.connect({ password: theirs.key, clientId: user, properties });
    await broker.rest("DELETE", `/tokens/${theirs.id}`);
    const made = await minted();
    const client = await broker.open({ password: made.key, clientId: user });
    expect((await client.connect()).reasonCode).toBe(0x87);
    const { items } = (await broker.rest("GET", `/sessions?clientId=${encodeURIComponent(user)}`)) as {
      items: unknown[];
    };
    expect(items).toHaveLength(1);
    expect((await connect(made.key, `${user}-2`)).connack?.reasonCode).toBe(0);
  });

  test("that a deleted minting token has left behind goes to the next one that may name it", async () => {
    const next = await makeMinter();
    const before = await minted();
    const properties = { sessionExpiryInterval: 3_600 };
    await broker.connect({ password: before.key, clientId: user, properties });
    await broker.rest("DELETE", `/tokens/${minter.id}?minted=keep`);
    const after = await minted({}, next);
    const client = await broker.connect({
      password: after.key,
      clientId: user,
      cleanStart: false,
      properties,
    });
    expect(client.connack?.sessionPresent).toBe(true);
  });
});

describe("rights of a made token", () => {
  test("are its own and the template's at once: the template's denies hold, whatever its ACL says", async () => {
    const client = await connect((await minted()).key);
    await client.subscribe("#");
    const service = await connect(admin(), `service-${user}`);
    for (const topic of [`data/${user}/secret/x`, `data/${user}/s1`, "data/user:other/s1"]) {
      await service.publish(topic, topic);
    }
    expect((await client.receive("publish")).topic).toBe(`data/${user}/s1`);
    await client.expectSilence();
  });

  test("follow the template while they are in use, without a reconnect", async () => {
    const client = await connect((await minted()).key);
    await client.subscribe("$client/acl");
    await client.subscribe(`data/${user}/#`);
    const acl = [read(`data/${user}/s1`)];
    await broker.rest("PATCH", `/tokens/${minter.id}`, { mint: { acl } });
    const told = await client.receive("publish");
    expect(JSON.parse(textOf(told))).toEqual({
      subscriptions: [{ filter: `data/${user}/#`, effective: [`data/${user}/s1`] }],
    });
    await broker.rest("PATCH", `/tokens/${minter.id}`, { mint: { acl: template.acl } });
    expect(JSON.parse(textOf(await client.receive("publish")))).toEqual({
      subscriptions: [{ filter: `data/${user}/#`, effective: [`data/${user}/#`] }],
    });
  });

  test.each([
    ["is deleted", (path: string) => broker.rest("DELETE", path), 0x98],
    ["is disabled", (path: string) => broker.rest("PATCH", path, { enabled: false }), 0x98],
    ["mints no longer", (path: string) => broker.rest("PATCH", path, { mint: null }), 0x98],
    [
      "may name its subject no longer",
      (path: string) => broker.rest("PATCH", path, { mint: { subjects: ["device:*"] } }),
      0x98,
    ],
    [
      "may give its client id no longer",
      (path: string) => broker.rest("PATCH", path, { mint: { clientIds: ["x"] } }),
      0x98,
    ],
    [
      "expires",
      (path: string) => broker.rest("PATCH", path, { expiresAt: new Date(Date.now() + 1_000).toISOString() }),
      0xa0,
    ],
  ])("end when the minting token %s", async (_, end, code) => {
    const made = await minted();
    const client = await connect(made.key);
    await end(`/tokens/${minter.id}`);
    expect((await client.closed).disconnect?.reasonCode).toBe(code);
    const again = await broker.open({ password: made.key, clientId: user });
    expect((await again.connect()).reasonCode).toBeGreaterThanOrEqual(0x85);
  });

  test("are gone from the list together with the minting token", async () => {
    const made = await minted();
    await broker.rest("DELETE", `/tokens/${minter.id}?sessions=true`);
    expect(await codeOf(broker.restAs(admin(), "GET", `/tokens/${made.id}`))).toBe("404 not-found");
  });

  test("go on under the template of then where ?minted=keep says so", async () => {
    const client = await connect((await minted({ acl: [read(`data/${user}/#`)] })).key);
    await client.subscribe("#");
    await broker.rest("DELETE", `/tokens/${minter.id}?minted=keep`);
    const service = await connect(admin(), `service-${user}`);
    await service.publish(`data/${user}/secret/x`, "");
    await service.publish(`data/${user}/s1`, "");
    expect((await client.receive("publish")).topic).toBe(`data/${user}/s1`);
    await client.expectSilence();
  });
});

describe("a caller with the scope tokens", () => {
  test("makes tokens that end, gives no scope that it lacks, and touches no token of more power", async () => {
    const key = await broker.token({ scopes: ["tokens", "messages"] });
    const make = (declaration: object): Promise<RestAnswer> =>
      broker.restAs(key, "POST", "/tokens", declaration);
    expect((await make({ ttl: 60, acl: [read("#")], scopes: ["messages"] })).status).toBe(201);
    expect(await codeOf(make({ acl: [] }))).toBe("400 invalid");
    for (const scope of ["admin", "tokens", "policies", "metrics", "tenants"])
      expect(await codeOf(make({ ttl: 60, scopes: [scope] }))).toBe("403 scope");
    const { items } = (await broker.rest("GET", "/tokens?limit=1")) as { items: { id: string }[] };
    const builtIn = `/tokens/${items[0]?.id}`;
    expect(await codeOf(broker.restAs(key, "PATCH", builtIn, { enabled: false }))).toBe("403 scope");
    expect(await codeOf(broker.restAs(key, "DELETE", builtIn))).toBe("403 scope");
  });
});
