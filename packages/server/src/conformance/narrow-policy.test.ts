import {
  type BrokerFixture,
  type ClientOptions,
  FakeClock,
  type MqttTestClient,
  startBroker,
  textOf,
} from "@weir/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

const acl = [{ actions: ["publish", "subscribe"], topic: "data/u1/#" }];
/** One that u1 sees, and one that it must not. */
const theirs = "data/u1/s1";
const others = "data/u2/s1";

let broker: BrokerFixture;
let service: MqttTestClient;
let u1: ClientOptions;

beforeAll(async () => {
  broker = await startBroker();
  u1 = { username: "u1", password: await broker.token({ acl, subject: "u1" }) };
});
beforeEach(async () => {
  service = await broker.connect();
});
afterAll(() => broker.close());

interface Token {
  readonly id: string;
  readonly key: string;
}

async function tokenOf(subject: string, rules: readonly unknown[]): Promise<Token> {
  return (await broker.rest("POST", "/tokens", { ttl: 3_600, subject, acl: rules })) as Token;
}

describe("a user whose ACL allows data/u1/#", () => {
  test("is granted #, data/+/s1 and data/u1/#, told what of them is effective, and refused data/u2/#", async () => {
    const client = await broker.connect(u1);
    const suback = await client.subscribe([
      { topicFilter: "#", qos: 1 },
      { topicFilter: "data/+/s1", qos: 2 },
      { topicFilter: "data/u1/#", qos: 0 },
      { topicFilter: "data/u2/#", qos: 1 },
    ]);
    expect(suback.reasonCodes).toEqual([1, 2, 0, 0x87]);
    expect(suback.properties?.userProperties).toEqual([
      ["requested-filter", "#"],
      ["effective-filter", "data/u1/#"],
      ["requested-filter", "data/+/s1"],
      ["effective-filter", "data/u1/s1"],
    ]);
  });

  test("is told one effective filter without the requested one, where it asked for one", async () => {
    const client = await broker.connect(u1);
    const suback = await client.subscribe("+/+/s1/#");
    expect(suback.properties?.userProperties).toEqual([["effective-filter", "data/u1/s1/#"]]);
    expect((await client.subscribe("data/u1/+")).properties?.userProperties).toBeUndefined();
  });

  test("is refused with 0x80 at 3.1.1", async () => {
    const client = await broker.connect({ ...u1, version: 4 });
    const { reasonCodes } = await client.subscribe(["#", "data/+/s1", "data/u1/#", "data/u2/#"]);
    expect(reasonCodes).toEqual([0, 0, 0, 0x80]);
  });

  describe.each([5, 4] as const)("at MQTT level %i", (version) => {
    test.each(["#", "+/#", "data/#", "data/+/s1", "data/u1/#", "+/+/+"])(
      "gets only theirs through %s, live and retained",
      async (filter) => {
        for (const topic of [theirs, others]) await service.publish(topic, "kept", { qos: 1, retain: true });
        const client = await broker.connect({ ...u1, version });
        await client.subscribe({ topicFilter: filter, qos: 2 });
        const kept = await client.receiveMessage();
        expect([kept.topic, kept.retain]).toEqual([theirs, true]);
        for (const qos of [0, 1, 2] as const)
          for (const topic of [others, "data", "data/u12/s1", "x", theirs])
            await service.publish(topic, "live", { qos });
        for (const qos of [0, 1, 2] as const)
          expect(await client.receiveMessage()).toMatchObject({ topic: theirs, qos, retain: false });
        await client.expectSilence();
        for (const topic of [theirs, others]) await service.publish(topic, "", { qos: 1, retain: true });
      },
    );

    test("gets only theirs of what waited while it was away", async () => {
      const properties = version === 5 ? { sessionExpiryInterval: 60 } : {};
      const options = { ...u1, version, clientId: `away${version}`, cleanStart: false, properties };
      const client = await broker.connect(options);
      await client.subscribe({ topicFilter: "#", qos: 1 });
      await client.cut();
      for (const topic of [others, theirs, "x"]) await service.publish(topic, "", { qos: 1 });
      const back = await broker.connect(options);
      expect((await back.receiveMessage()).topic).toBe(theirs);
      await back.expectSilence();
    });

    test("cannot publish, retain or remove what is not theirs", async () => {
      await service.publish(others, "kept", { qos: 1, retain: true });
      const client = await broker.connect({ ...u1, version });
      await service.subscribe({ topicFilter: others, qos: 2, retainHandling: version === 5 ? 2 : 0 });
      for (const qos of [0, 1, 2] as const)
        for (const payload of ["forged", ""]) await client.publish(others, payload, { qos, retain: true });
      await client.publish("data/u1/x", "allowed", { qos: 2 });
      const late = await broker.connect();
      await late.subscribe(others);
      expect(textOf(await late.receive("publish"))).toBe("kept");
      service.send({ type: "pingreq" });
      const seen = [];
      for (let packet = await service.receive(); packet.type === "publish"; packet = await service.receive())
        seen.push(textOf(packet));
      expect(seen.filter((text) => text !== "kept")).toEqual([]);
      await service.publish(others, "", { retain: true });
    });

    test("cannot leave a will that is not theirs: CONNECT is refused", async () => {
      const willOf = (topic: string) =>
        ({ topic, payload: Buffer.from("will"), qos: 1, retain: false, properties: {} }) as const;
      const refused = await broker.open({ ...u1, version, clientId: "refused", will: willOf(others) });
      expect(await refused.connect()).toMatchObject({
        reasonCode: version === 5 ? 0x87 : 5,
        sessionPresent: false,
      });
      await refused.closed;
      await service.subscribe("data/#");
      const allowed = await broker.connect({ ...u1, version, clientId: "allowed", will: willOf(theirs) });
      await allowed.cut();
      expect((await service.receive("publish")).topic).toBe(theirs);
    });
  });

  test("gets one copy through several subscriptions that are narrowed to overlapping filters", async () => {
    const rules = [
      { actions: ["subscribe"], topic: "data/+/s1" },
      { actions: ["subscribe"], topic: "data/u1/#" },
    ];
    const { key } = await tokenOf("merged", rules);
    const client = await broker.connect({ password: key });
    await client.subscribe({ topicFilter: "data/#", qos: 1 }, { subscriptionIdentifier: 1 });
    await client.subscribe({ topicFilter: "#", qos: 2 }, { subscriptionIdentifier: 2 });
    await service.publish(theirs, "", { qos: 2 });
    const packet = await client.receiveMessage();
    expect(packet.qos).toBe(2);
    expect(packet.properties?.subscriptionIdentifiers?.toSorted()).toEqual([1, 2]);
    await client.expectSilence();
  });

  test("is told at most 16 effective filters, and how many more there are", async () => {
    const rules = Array.from({ length: 20 }, (_, index) => ({
      actions: ["subscribe"],
      topic: `wide/${index}/#`,
    }));
    const client = await broker.connect({ password: (await tokenOf("wide", rules)).key });
    const { reasonCodes, properties } = await client.subscribe("wide/#");
    const told = properties?.userProperties ?? [];
    expect(reasonCodes).toEqual([0]);
    expect(told.slice(0, 16).map(([name]) => name)).toEqual(Array(16).fill("effective-filter"));
    expect(told.slice(16)).toEqual([["effective-filter-more", "4"]]);
    for (const index of [0, 19, 20]) await service.publish(`wide/${index}/x`, "");
    expect((await client.receiveAll("publish", 2)).map((packet) => packet.topic)).toEqual([
      "wide/0/x",
      "wide/19/x",
    ]);
    await client.expectSilence();
  });

  test("gets only theirs through more entries than the tree takes filters", async () => {
    const rules = Array.from({ length: 300 }, (_, index) => ({
      actions: ["subscribe"],
      topic: `crowd/${index}/+`,
    }));
    for (const topic of ["crowd/299/kept", "crowd/300/kept"])
      await service.publish(topic, "kept", { qos: 1, retain: true });
    const client = await broker.connect({ password: (await tokenOf("crowd", rules)).key });
    expect(await client.subscribe({ topicFilter: "#", qos: 2 })).toMatchObject({ reasonCodes: [2] });
    expect((await client.receiveMessage()).topic).toBe("crowd/299/kept");
    for (const qos of [0, 1, 2] as const)
      for (const topic of ["crowd/300/x", "crowd/7/x/y", "crowd", "x", "crowd/7/x"])
        await service.publish(topic, "", { qos });
    for (const qos of [0, 1, 2] as const)
      expect(await client.receiveMessage()).toMatchObject({ topic: "crowd/7/x", qos });
    await client.expectSilence();
    for (const topic of ["crowd/299/kept", "crowd/300/kept"])
      await service.publish(topic, "", { qos: 1, retain: true });
  });

  test("an aliased topic is authorised after it is resolved, also when its first use was refused", async () => {
    const client = await broker.connect(u1);
    await service.subscribe("data/#");
    const aliased = (topic: string, topicAlias: number) =>
      client.publish(topic, "x", { qos: 1, properties: { topicAlias } });
    expect(await aliased(others, 1)).toMatchObject({ reasonCode: 0x87 });
    expect(await aliased("", 1)).toMatchObject({ reasonCode: 0x87 });
    expect(await aliased(theirs, 2)).toMatchObject({ reasonCode: 0 });
    expect(await aliased("", 1)).toMatchObject({ reasonCode: 0x87 });
    expect(await aliased("", 2)).toMatchObject({ reasonCode: 0 });
    expect((await service.receiveAll("publish", 2)).map((packet) => packet.topic)).toEqual([theirs, theirs]);
    await service.expectSilence();
  });

  test("may name only a response topic that it may read; will and PUBLISH alike", async () => {
    const client = await broker.connect(u1);
    await service.subscribe("data/#");
    const asking = (responseTopic: string) =>
      client.publish(theirs, responseTopic, { qos: 1, properties: { responseTopic } });
    expect(await asking("data/u2/answers")).toMatchObject({ reasonCode: 0x87 });
    expect(await asking("$SYS/broker/version")).toMatchObject({ reasonCode: 0x87 });
    expect(await asking("$client/auth")).toMatchObject({ reasonCode: 0x87 });
    expect(await asking("data/u1/answers")).toMatchObject({ reasonCode: 0 });
    const packet = await service.receive("publish");
    expect(packet.properties?.responseTopic).toBe("data/u1/answers");
    await service.expectSilence();

    const properties = { responseTopic: "data/u2/answers" };
    const will = { topic: theirs, payload: Buffer.from(""), qos: 0, retain: false, properties } as const;
    const refused = await broker.open({ ...u1, clientId: "asks by will", will });
    expect(await refused.connect()).toMatchObject({ reasonCode: 0x87 });
  });

  test("is given Response Information that it may subscribe below, and only when it asks", async () => {
    const asks = await broker.connect({ ...u1, properties: { requestResponseInformation: true } });
    const prefix = asks.connack?.properties?.responseInformation;
    expect(prefix).toBe("data/u1/");
    expect(await asks.subscribe(`${prefix}answers`)).toMatchObject({ reasonCodes: [0] });
    const silent = await broker.connect(u1);
    expect(silent.connack?.properties).not.toHaveProperty("responseInformation");
  });

  test("cannot reach $SYS or $share, by name or by wildcards", async () => {
    const everything = await tokenOf("everything", [{ actions: ["publish", "subscribe"], topic: "#" }]);
    for (const options of [u1, { password: everything.key }]) {
      const client = await broker.connect(options);
      const filters = ["$SYS/#", "$SYS/broker/version", "$share/g/$SYS/#", "$audit/#"];
      expect((await client.subscribe(filters)).reasonCodes).toEqual([0x87, 0x87, 0x87, 0x87]);
      await client.subscribe("#");
      expect(await client.publish("$SYS/x", "", { qos: 1 })).toMatchObject({ reasonCode: 0x87 });
      await client.disconnect();
    }
    const named = await tokenOf("named", [{ actions: ["subscribe"], topic: "$SYS/broker/version" }]);
    const client = await broker.connect({ password: named.key });
    const { reasonCodes, properties } = await client.subscribe("$SYS/#");
    expect(reasonCodes).toEqual([0]);
    expect(properties?.userProperties).toEqual([["effective-filter", "$SYS/broker/version"]]);
    expect((await client.receive("publish")).topic).toBe("$SYS/broker/version");
    await client.expectSilence();
  });
});

describe("bounds and denials", () => {
  test("maxQos bounds what is granted, and what may be published; retain says whether it may be retained", async () => {
    const rules = [{ actions: ["publish", "subscribe"], topic: "bound/#", maxQos: 1, retain: false }];
    const { key } = await tokenOf("bounded", rules);
    const client = await broker.connect({ password: key });
    expect(await client.subscribe({ topicFilter: "bound/a", qos: 2 })).toMatchObject({ reasonCodes: [1] });
    expect(await client.publish("bound/a", "", { qos: 1 })).toMatchObject({ reasonCode: 0 });
    await client.receiveMessage();
    const refusals = [
      await client.publish("bound/a", "", { qos: 2 }),
      await client.publish("bound/a", "x", { qos: 1, retain: true }),
    ];
    expect(refusals.map((ack) => [ack?.reasonCode, typeof ack?.properties?.reasonString])).toEqual([
      [0x87, "string"],
      [0x87, "string"],
    ]);
    await client.expectSilence();
  });

  test("several entries with bounds: SUBACK says the highest QoS, and each message keeps to the bound of its own", async () => {
    const rules = [
      { actions: ["subscribe"], topic: "mix/low/#", maxQos: 0 },
      { actions: ["subscribe"], topic: "mix/high/#", maxQos: 1 },
    ];
    const { key } = await tokenOf("mixed", rules);
    const client = await broker.connect({ password: key });
    expect(await client.subscribe({ topicFilter: "mix/#", qos: 2 })).toMatchObject({ reasonCodes: [1] });
    await service.publish("mix/low/a", "", { qos: 2 });
    expect((await client.receiveMessage()).qos).toBe(0);
    await service.publish("mix/high/a", "", { qos: 2 });
    expect((await client.receiveMessage()).qos).toBe(1);
  });

  test("a deny entry beats every allow: what it covers is neither delivered nor published", async () => {
    const rules = [
      { actions: ["publish", "subscribe"], topic: "deny/#" },
      { effect: "deny", actions: ["publish", "subscribe"], topic: "deny/+/secret" },
    ];
    const { key } = await tokenOf("denied", rules);
    const client = await broker.connect({ password: key });
    await service.publish("deny/a/secret", "kept", { qos: 1, retain: true });
    expect(await client.subscribe([{ topicFilter: "deny/#", qos: 2 }, "deny/a/secret"])).toMatchObject({
      reasonCodes: [2, 0x87],
    });
    expect(await client.publish("deny/a/secret", "", { qos: 1 })).toMatchObject({ reasonCode: 0x87 });
    for (const qos of [0, 1, 2] as const)
      for (const topic of ["deny/a/secret", "deny/a/open"]) await service.publish(topic, "", { qos });
    for (let count = 0; count < 3; count += 1)
      expect((await client.receiveMessage()).topic).toBe("deny/a/open");
    await client.expectSilence();
    await service.publish("deny/a/secret", "", { retain: true });
  });

  test("a topic that a persistent session waits for is checked again when it is sent", async () => {
    const { id, key } = await tokenOf("narrowed", [{ actions: ["subscribe"], topic: "later/#" }]);
    const options = {
      password: key,
      clientId: "narrowed",
      cleanStart: false,
      properties: { sessionExpiryInterval: 60 },
    };
    const client = await broker.connect(options);
    await client.subscribe({ topicFilter: "later/#", qos: 1 });
    await client.cut();
    for (const topic of ["later/a", "later/b"]) await service.publish(topic, "", { qos: 1 });
    await broker.rest("PATCH", `/tokens/${id}`, { acl: [{ actions: ["subscribe"], topic: "later/b" }] });
    const back = await broker.connect(options);
    expect((await back.receiveMessage()).topic).toBe("later/b");
    await back.expectSilence();
  });

  test("a changed ACL acts on the open connection, without reconnecting", async () => {
    const { id, key } = await tokenOf("patched", [{ actions: ["publish", "subscribe"], topic: "old/#" }]);
    const client = await broker.connect({ password: key });
    await client.subscribe(["#", "$client/acl"]);
    await service.publish("new/kept", "kept", { qos: 1, retain: true });
    const rules = [{ actions: ["publish", "subscribe"], topic: "new/#" }];
    await broker.rest("PATCH", `/tokens/${id}`, { acl: rules });
    const told = await client.receive("publish");
    expect([told.topic, JSON.parse(textOf(told))]).toEqual([
      "$client/acl",
      { subscriptions: [{ filter: "#", effective: ["new/#"] }] },
    ]);
    expect(textOf(await client.receive("publish"))).toBe("kept"); // newly readable, so retained messages count as new
    for (const topic of ["old/x", "new/x"]) await service.publish(topic, "live");
    expect((await client.receive("publish")).topic).toBe("new/x");
    expect(await client.publish("old/x", "", { qos: 1 })).toMatchObject({ reasonCode: 0x87 });
    expect(await client.publish("new/y", "", { qos: 1 })).toMatchObject({ reasonCode: 0 });
    await service.publish("new/kept", "", { retain: true });
  });

  test("a subscription of which a changed ACL leaves nothing sleeps, and wakes when it leaves something again", async () => {
    const reads = { acl: [{ actions: ["subscribe"], topic: "sleep/#" }] };
    const { id, key } = await tokenOf("asleep", reads.acl);
    const client = await broker.connect({ password: key });
    await client.subscribe(["sleep/+", "$client/acl"]);
    await broker.rest("PATCH", `/tokens/${id}`, { acl: [{ actions: ["publish"], topic: "sleep/#" }] });
    expect(JSON.parse(textOf(await client.receive("publish")))).toEqual({
      subscriptions: [{ filter: "sleep/+", effective: [] }],
    });
    await service.publish("sleep/a", "unheard", { qos: 1 });
    await client.expectSilence();
    await broker.rest("PATCH", `/tokens/${id}`, reads);
    await client.receive("publish");
    await service.publish("sleep/a", "heard", { qos: 1 });
    expect(textOf(await client.receive("publish"))).toBe("heard");
  });

  test("a message in flight finishes its handshake on this connection, and is not sent again on the next", async () => {
    const { id, key } = await tokenOf("in flight", [{ actions: ["subscribe"], topic: "flight/#" }]);
    const options = {
      password: key,
      clientId: "in flight",
      cleanStart: false,
      properties: { sessionExpiryInterval: 60 },
    };
    const client = await broker.connect(options);
    await client.subscribe({ topicFilter: "flight/#", qos: 2 });
    for (const topic of ["flight/a", "flight/b"]) await service.publish(topic, "", { qos: 2 });
    const [first] = await client.receiveAll("publish", 2);
    await broker.rest("PATCH", `/tokens/${id}`, { acl: [{ actions: ["subscribe"], topic: "other/#" }] });
    if (first) await client.acknowledge(first);
    await client.expectSilence();
    await client.cut();
    await (await broker.connect(options)).expectSilence();
  });

  test("an expired token ends its connections with 0xa0, and its will goes out", async () => {
    const clock = new FakeClock({ soon: "immediate" });
    const still = await startBroker({ clock });
    const expiresAt = new Date(clock.nowMs() + 60_000).toISOString();
    const key = await still.token({ acl, subject: "u1", expiresAt });
    const heir = await still.connect();
    await heir.subscribe("data/#");
    const will = {
      topic: theirs,
      payload: Buffer.from("will"),
      qos: 0,
      retain: false,
      properties: {},
    } as const;
    const client = await still.connect({ password: key, will });
    clock.advance(59_000);
    await client.expectSilence();
    clock.advance(2_000);
    expect((await client.closed).disconnect?.reasonCode).toBe(0xa0);
    expect((await heir.receive("publish")).topic).toBe(theirs);
    await still.close();
  });

  test("a deleted token ends its connections with 0x98, 3.1.1 just closes, and no will goes out", async () => {
    const { id, key } = await tokenOf("deleted", [{ actions: ["publish", "subscribe"], topic: "end/#" }]);
    const will = {
      topic: "end/will",
      payload: Buffer.from("x"),
      qos: 0,
      retain: false,
      properties: {},
    } as const;
    const five = await broker.connect({ password: key, will });
    const older = await broker.connect({ username: "u", password: key, version: 4, will });
    await service.subscribe("end/#");
    await broker.rest("DELETE", `/tokens/${id}`);
    expect((await five.closed).disconnect?.reasonCode).toBe(0x98);
    expect((await older.closed).disconnect).toBeUndefined();
    await service.expectSilence();
  });
});

describe("$client topics", () => {
  test("are each client's own: subscribed whatever the ACL says, unknown ones and shared ones refused", async () => {
    const client = await broker.connect(u1);
    const filters = [
      "$client/dropped",
      "$client/#",
      "$client/+",
      "$client/nothing",
      "$client",
      "$share/g/$client/#",
    ];
    expect((await client.subscribe(filters)).reasonCodes).toEqual([0, 0, 0, 0x87, 0x87, 0x87]);
    expect((await client.unsubscribe("$client/dropped", "$client/acl")).reasonCodes).toEqual([0, 0x11]);
  });

  test("are published by nobody, retained by nobody and heard by nobody else", async () => {
    const everything = await broker.connect();
    await everything.subscribe(["#", "$client/#", "+/acl"]);
    for (const topic of ["$client/acl", "$client/dropped", "$client/x", "$client"]) {
      for (const retain of [false, true])
        expect(await everything.publish(topic, "forged", { qos: 1, retain })).toMatchObject({
          reasonCode: 0x87,
        });
      await everything.publish(topic, "forged", { qos: 0 });
    }
    await everything.expectSilence();
    const late = await broker.connect();
    await late.subscribe("$client/#");
    await late.expectSilence();
  });

  test("$client/dropped tells what was dropped, why and how much, to who asked for it", async () => {
    const clock = new FakeClock({ soon: "immediate" });
    const still = await startBroker({ clock });
    const client = await still.connect({ password: await still.token({ acl, subject: "u1" }) });
    await client.subscribe("$client/dropped");
    await client.publish(others, "12345", { qos: 1 });
    await client.publish(others, "67", { qos: 0 });
    await client.expectSilence();
    clock.advance(1_000);
    const notice = await client.receive("publish");
    expect(notice).toMatchObject({ topic: "$client/dropped", qos: 0, retain: false });
    expect(JSON.parse(textOf(notice))).toEqual({ count: 2, bytes: 7, reason: "acl" });
    await still.close();
  });

  test("a credential that is published to $client/auth is neither delivered nor logged", async () => {
    const listener = await broker.connect();
    await listener.subscribe(["#", "$client/#"]);
    const client = await broker.connect();
    const secret = "weir_nobody_must-not-appear-anywhere";
    for (const qos of [0, 1, 2] as const)
      client.send(client.publishPacket("$client/auth", secret, { qos, retain: true, packetId: qos }));
    await client.receive();
    await client.receive();
    await listener.expectSilence();
    expect(broker.log.join("")).not.toContain(secret);
  });
});
