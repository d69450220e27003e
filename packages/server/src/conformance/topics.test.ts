import { type BrokerFixture, framed, startBroker, textOf } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const MAX_BYTES = 65_535;
let broker: BrokerFixture;

beforeAll(async () => {
  broker = await startBroker({ limits: { maxTopicBytes: MAX_BYTES } });
});
afterAll(() => broker.close());

const combining = "e\u0301"; // e with an acute accent, as two characters
const composed = "\u00e9"; // the same to the eye, as one

describe("4.7 Topic names and topic filters", () => {
  test.each([
    ["a +", "a/+", 5],
    ["a #", "#", 5],
    ["a + within a level", "a/b+", 5],
    ["a +", "a/+", 4],
    ["a #", "a/#", 4],
  ] as const)(
    "%s in a topic name (%s) ends the connection at MQTT level %i [MQTT-4.7.0-1] [MQTT-3.3.2-2]",
    async (_, topic, version) => {
      const client = await broker.connect({ version });
      client.send(framed(0x30, version === 5 ? `"${topic}" 00` : `"${topic}"`));
      const { disconnect } = await client.closed;
      expect(disconnect?.reasonCode).toBe(version === 5 ? 0x81 : undefined);
    },
  );

  test.each(["#/", "a#", "a/#/b", "a/b#", "##", "a+", "+a", "a/+b/c", "++"])(
    "%s is no topic filter [MQTT-4.7.1-1] [MQTT-4.7.1-2]",
    async (filter) => {
      for (const firstByte of [0x82, 0xa2]) {
        const client = await broker.connect();
        client.send(framed(firstByte, firstByte === 0x82 ? `0001 00 "${filter}" 00` : `0001 00 "${filter}"`));
        expect((await client.closed).disconnect?.reasonCode).toBe(0x81);
      }
      const older = await broker.connect({ version: 4 });
      older.send(framed(0x82, `0001 "${filter}" 00`));
      await older.closed;
    },
  );

  test.each([
    [
      "sport/tennis/player1/#",
      ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/a/b"],
    ],
    ["sport/#", ["sport", "sport/", "sport/a"]],
    ["#", ["a", "/", "/a", "a//b"]],
    ["sport/tennis/+", ["sport/tennis/player1", "sport/tennis/"]],
    ["sport/+", ["sport/", "sport/a"]],
    ["+", ["finance"]],
    ["+/+", ["/finance", "a/b", "/"]],
    ["/+", ["/finance", "/"]],
    ["+/b/#", ["a/b", "a/b/c", "/b"]],
    ["a//b", ["a//b"]],
    ["a/", ["a/"]],
    ["$x/#", ["$x", "$x/a"]],
    ["$x/+", ["$x/a", "$x/"]],
    ["a/$x", ["a/$x"]],
  ])(
    "%s matches as the standard's examples say [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-3.3.2-3]",
    async (filter, matching) => {
      const others = [
        "sports",
        "sport2/a",
        "a",
        "b",
        "a/b",
        "a/b/c",
        "a//b",
        "/a",
        "A/B",
        "$x",
        "$x/a",
        "a/$x",
        "x",
      ];
      const client = await broker.connect();
      await client.subscribe(filter);
      const naive = new RegExp(
        `^${filter
          .replaceAll(/[$]/g, "\\$&")
          .replaceAll("+", "[^/]*")
          .replace(/(^|\/)#$/, "($1.*)?")}$`,
      );
      const expected = [...new Set([...matching, ...others])].filter(
        (topic) => naive.test(topic) && !(topic.startsWith("$") && /^[+#]/.test(filter)),
      );
      expect(expected).toEqual(expect.arrayContaining(matching));
      for (const topic of new Set([...matching, ...others])) await client.publish(topic, "");
      const topics = (await client.receiveAll("publish", expected.length)).map((packet) => packet.topic);
      expect(topics).toEqual(expected);
      await client.expectSilence();
    },
  );

  describe("topics that begin with $", () => {
    test.each(["#", "+/x", "+/#", "+", "+/+/#"])(
      "are not matched by %s, live or retained [MQTT-4.7.2-1]",
      async (filter) => {
        const publisher = await broker.connect();
        for (const topic of ["$other/x", "$other"])
          await publisher.publish(topic, "kept", { qos: 1, retain: true });
        const client = await broker.connect();
        await client.subscribe(filter);
        for (const topic of ["$other/x", "$other"]) await publisher.publish(topic, "live", { qos: 1 });
        client.send({ type: "pingreq" });
        const topics = [];
        for (let packet = await client.receive(); packet.type === "publish"; packet = await client.receive())
          topics.push(packet.topic);
        expect(topics.filter((topic) => topic.startsWith("$"))).toEqual([]);
      },
    );

    test("are matched by filters that name their first level [MQTT-4.7.2-1]", async () => {
      const client = await broker.connect();
      await client.subscribe(["$named/#", "$SYS/broker/version"]);
      await client.publish("$named/x", "");
      expect(await client.receive("publish")).toMatchObject({ topic: "$SYS/broker/version", retain: true });
      expect((await client.receive("publish")).topic).toBe("$named/x");
    });

    test.each(["$SYS/broker/version", "$SYS", "$SYS/x", "$share/g/x", "$share", "$audit/x", "$client/acl"])(
      "%s cannot be published by a client that may do everything",
      async (topic) => {
        const client = await broker.connect();
        await client.subscribe(["$SYS/x", "#"]);
        expect(await client.publish(topic, "forged", { qos: 1 })).toMatchObject({ reasonCode: 0x87 });
        expect(await client.publish(topic, "forged", { qos: 2, retain: true })).toMatchObject({
          reasonCode: 0x87,
        });
      },
    );
  });

  test.each([
    ["an empty topic name without an alias", framed(0x30, "0000 00"), 0x82],
    ["an empty topic filter", framed(0x82, "0001 00 0000 00"), 0x81],
    ["an empty topic filter in UNSUBSCRIBE", framed(0xa2, "0001 00 0000"), 0x81],
    ["U+0000 in a topic name", framed(0x30, "0003 610062 00"), 0x81],
    ["U+0000 in a topic filter", framed(0x82, "0001 00 0003 610062 00"), 0x81],
  ])("%s ends the connection [MQTT-4.7.3-1] [MQTT-4.7.3-2]", async (_, bytes, code) => {
    const client = await broker.connect();
    client.send(bytes);
    expect((await client.closed).disconnect?.reasonCode).toBe(code);
  });

  test.each([
    ["an empty topic name", framed(0x30, "0000")],
    ["an empty topic filter", framed(0x82, "0001 0000 00")],
    ["U+0000 in a topic name", framed(0x30, "0003 610062")],
  ])("%s closes a connection of 3.1.1 [MQTT-4.7.3-1] [MQTT-4.7.3-2]", async (_, bytes) => {
    const client = await broker.connect({ version: 4 });
    client.send(bytes);
    expect((await client.closed).disconnect).toBeUndefined();
  });

  test("a topic of 65,535 bytes is a topic [MQTT-4.7.3-3]", async () => {
    const longest = "x".repeat(MAX_BYTES);
    const client = await broker.connect();
    await client.subscribe([longest, `${"y".repeat(MAX_BYTES - 2)}/#`]);
    await client.publish(longest, "");
    expect((await client.receive("publish")).topic).toBe(longest);
  });

  test("one that is longer or deeper than this broker's bounds is refused with 0x90, a filter with 0x8f, 3.1.1 is closed", async () => {
    const client = await broker.connect();
    const deep = "/".repeat(128); // 129 levels
    expect(await client.publish(deep, "", { qos: 1 })).toMatchObject({ reasonCode: 0x90 });
    expect(await client.publish(deep, "", { qos: 2 })).toMatchObject({ reasonCode: 0x90 });
    expect(await client.subscribe([deep, deep.slice(1)])).toMatchObject({ reasonCodes: [0x8f, 0] });
    client.send(client.publishPacket(deep, ""));
    expect((await client.closed).disconnect?.reasonCode).toBe(0x90);
    const older = await broker.connect({ version: 4 });
    older.send(older.publishPacket(deep, "", { qos: 1 }));
    await older.closed;
  });

  test.each([
    ["two forms of one letter", combining, composed],
    ["upper and lower case", "accounts", "ACCOUNTS"],
    ["levels that are empty", "a//b", "a/b"],
    ["a slash at the end", "a/b/", "a/b"],
    ["white space", "a b", "a  b"],
    ["a BOM [MQTT-1.5.4-3]", "\ufefftopic", "topic"],
    ["a soft hyphen", "to\u00adpic", "topic"],
    ["letters that look alike", "\u0430", "a"],
  ])(
    "%s are different topics, live and retained: nothing is normalized [MQTT-4.7.3-4]",
    async (_, one, other) => {
      const client = await broker.connect();
      await client.publish(one, "retained one", { qos: 1, retain: true });
      await client.subscribe(other);
      await client.publish(one, "one", { qos: 1 });
      await client.publish(other, "other", { qos: 1 });
      expect(textOf(await client.receive("publish"))).toBe("other");
      await client.subscribe(one);
      const kept = await client.receive("publish");
      expect([kept.topic, textOf(kept)]).toEqual([one, "retained one"]);
      await client.publish(one, "", { qos: 1, retain: true });
    },
  );

  test("a topic of every kind of character arrives as it was sent [MQTT-4.7.3-4] [MQTT-3.3.2-3]", async () => {
    const topics = [
      "über/straße",
      "日本/東京",
      "🚌/14",
      "a b/c",
      "\ufeffx",
      "x\u{10ffff}y".slice(0, 1),
      "\u200bx",
      "/",
      "//",
      " ",
    ];
    const client = await broker.connect();
    await client.subscribe("#");
    for (const topic of topics) await client.publish(topic, "");
    expect((await client.receiveAll("publish", topics.length)).map((packet) => packet.topic)).toEqual(topics);
  });
});
