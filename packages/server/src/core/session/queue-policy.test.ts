import { ReasonCode } from "@weir/protocol";
import { describe, expect, it } from "vitest";
import {
  connectPacket,
  type CoreFixture,
  publishPacket,
  startedCore,
  subscribePacket,
} from "../../../testing/core-fixture.ts";
import type { FakeLink, SentPublish } from "../../../testing/fake-link.ts";
import type { PrincipalLimits } from "../access/principal-limits.ts";
import type { Limits } from "./limits.ts";

const dropped = "$client/dropped";

/** A core, and a persistent session `s` on `t/#` and `$client/dropped`, with its client away. */
async function away(limits: Partial<Limits>, own?: PrincipalLimits): Promise<CoreFixture> {
  const fixture = await startedCore({ limits });
  const link = await fixture.persistent("s");
  if (own) fixture.session("s").principal.limits = own;
  link.give(subscribePacket(1, { topicFilter: "t/#", qos: 2 }, { topicFilter: dropped, qos: 0 }));
  await fixture.settle();
  link.cut();
  await fixture.settle();
  return fixture;
}

/** `a1` to topic `t/a`, and so on; then a checkpoint. */
async function publish(fixture: CoreFixture, ...names: readonly string[]): Promise<void> {
  const link = await fixture.connected("publisher");
  for (const [index, name] of names.entries())
    link.give(publishPacket(`t/${name[0]}`, name, { qos: 1, packetId: index + 1 }));
  await fixture.pass(1_100);
  link.cut();
}

async function back(fixture: CoreFixture): Promise<FakeLink> {
  const link = await fixture.persistent("s");
  await fixture.pass(1_100);
  return link;
}

function messages(link: FakeLink): string[] {
  const publishes = link.received.filter((packet) => packet.type === "publish");
  return publishes.filter(({ topic }) => topic !== dropped).map(({ payload }) => payload);
}

function told(link: FakeLink): unknown[] {
  const publishes = link.received.filter((packet) => packet.type === "publish");
  return publishes
    .filter(({ topic }) => topic === dropped)
    .map(({ payload }) => JSON.parse(payload) as unknown);
}

function has(fixture: CoreFixture, clientId: string): boolean {
  return [...fixture.core.sessions.all].some((session) => session.clientId === clientId);
}

const many = ["a1", "b1", "a2", "c1", "a3", "b2"];

describe("the queue of a session whose client is away", () => {
  it.each([
    ["drop-oldest", ["c1", "a3", "b2"]],
    ["drop-newest", ["a1", "b1", "a2"]],
    ["latest-per-topic", ["c1", "a3", "b2"]],
  ] as const)("at its bound of messages: %s, told on the return", async (queuePolicy, kept) => {
    const fixture = await away({ queuedMessages: 3, queuePolicy });
    await publish(fixture, ...many);
    expect(fixture.session("s").view()).toMatchObject({ queued: 3, queuedBytes: 6, dropped: 3, queuePolicy });
    expect(fixture.counters.messagesDropped["queue-full"]).toBe(3);
    expect(fixture.counters.limitReached["limits.queuedMessages"]).toBe(1);
    const link = await back(fixture);
    expect(messages(link)).toEqual(kept);
    expect(told(link)).toEqual([{ count: 3, bytes: 6, reason: "queue-full" }]);
  });

  it("at its bound of bytes: the oldest go", async () => {
    const fixture = await away({ queuedBytes: 7 });
    await publish(fixture, ...many);
    expect(fixture.counters.limitReached["limits.queuedBytes"]).toBe(1);
    expect(messages(await back(fixture))).toEqual(["c1", "a3", "b2"]);
  });

  it("at its bound of age: what is too old goes, and is told as expired", async () => {
    const fixture = await away({ queuedAgeS: 60 });
    await publish(fixture, "a1", "a2");
    await fixture.pass(40_000);
    await publish(fixture, "b1");
    await fixture.pass(25_000);
    expect(fixture.counters.limitReached["limits.queuedAgeS"]).toBe(1);
    const link = await back(fixture);
    expect(messages(link)).toEqual(["b1"]);
    expect(told(link)).toEqual([{ count: 2, bytes: 4, reason: "expired" }]);
  });

  it("latest-per-topic keeps the latest of each, and what a later one replaces still goes", async () => {
    const fixture = await away({ queuedMessages: 5, queuePolicy: "latest-per-topic" });
    await publish(fixture, ...many);
    await publish(fixture, "c2");
    expect(fixture.session("s").droppedCount).toBe(4);
    expect(messages(await back(fixture))).toEqual(["a3", "b2", "c2"]);
  });

  it("disconnect ends the session", async () => {
    const fixture = await away({ queuedMessages: 3, queuePolicy: "disconnect" });
    await publish(fixture, "a1", "a2", "a3");
    expect(has(fixture, "s")).toBe(true);
    await publish(fixture, "a4");
    expect(has(fixture, "s")).toBe(false);
    const again = await (await fixture.crash()).persistent("s");
    expect(messages(again)).toEqual([]);
  });

  it.each([
    ["drop-oldest", ["c1", "a3", "b2"]],
    ["drop-newest", ["a1", "b1", "a2"]],
    ["latest-per-topic", ["c1", "a3", "b2"]],
  ] as const)(
    "a crash does not bring back what was dropped: %s [semantics.md §2.6]",
    async (queuePolicy, kept) => {
      const before = await away({}, { queuedMessages: 3, queuePolicy });
      await publish(before, ...many);
      const fixture = await before.crash();
      expect(fixture.session("s").view()).toMatchObject({ queued: 3, dropped: 3, queuePolicy });
      await fixture.pass(1_100);
      expect(fixture.session("s").droppedCount).toBe(3);
      const link = await back(fixture);
      expect(messages(link)).toEqual(kept);
      expect(told(link)).toEqual([{ count: 3, bytes: 6, reason: "queue-full" }]);
    },
  );

  it("drop-newest takes what comes when there is room again", async () => {
    const fixture = await away({ queuedMessages: 2, queuePolicy: "drop-newest" });
    await publish(fixture, "a1", "a2", "a3");
    const link = await fixture.persistent("s", {
      properties: { sessionExpiryInterval: 60, receiveMaximum: 1 },
    });
    await fixture.settle();
    await publish(fixture, "a4", "a5");
    expect(fixture.session("s").outgoing.queued).toBe(2);
    for (let left = 4; left > 0; left -= 1) {
      const last = link.received.findLast((packet) => packet.type === "publish" && packet.qos > 0);
      link.give({ type: "puback", packetId: (last as SentPublish).packetId, reasonCode: 0 });
      await fixture.settle();
    }
    expect(messages(link)).toEqual(["a1", "a2", "a4"]);
  });

  it("what is in flight is never dropped [semantics.md §2.9]", async () => {
    const fixture = await startedCore({ limits: { queuedMessages: 1, queuePolicy: "latest-per-topic" } });
    const properties = { sessionExpiryInterval: 3_600, receiveMaximum: 2 };
    const link = await fixture.persistent("s", { properties });
    link.give(subscribePacket(1, { topicFilter: "t/#", qos: 1 }));
    await fixture.settle();
    await publish(fixture, "a1", "a2", "a3", "a4");
    expect(messages(link)).toEqual(["a1", "a2"]);
    link.cut();
    await fixture.settle();
    const again = await fixture.persistent("s", { properties: { sessionExpiryInterval: 3_600 } });
    await fixture.settle();
    expect(messages(again)).toEqual(["a1", "a2", "a4"]);
  });

  it("the lower of the broker's and the token's bounds counts", async () => {
    const fixture = await away({ queuedMessages: 4 }, { queuedMessages: 10, queuedBytes: 4 });
    await publish(fixture, ...many);
    expect(messages(await back(fixture))).toEqual(["a3", "b2"]);
  });

  it("a share group that nobody serves keeps to the same bounds", async () => {
    const fixture = await startedCore({ limits: { queuedMessages: 2 } });
    const link = await fixture.persistent("s");
    link.give(subscribePacket(1, { topicFilter: "$share/g/t/#", qos: 1 }));
    await fixture.settle();
    link.cut();
    await publish(fixture, "a1", "a2", "a3");
    expect(fixture.counters.messagesDropped["queue-full"]).toBe(1);
    expect(messages(await back(fixture))).toEqual(["a2", "a3"]);
  });
});

describe("the queue of a client that reads nothing", () => {
  it("disconnect tells it with 0x97, and ends a persistent session too", async () => {
    const fixture = await startedCore({ limits: { queuedMessages: 2, queuePolicy: "disconnect" } });
    const link = await fixture.persistent("s");
    link.give(subscribePacket(1, { topicFilter: "t/#", qos: 1 }));
    await fixture.settle();
    link.hasRoom = false;
    await publish(fixture, "a1", "a2", "a3");
    expect(link.take("disconnect")).toMatchObject([{ reasonCode: ReasonCode.quotaExceeded }]);
    expect(has(fixture, "s")).toBe(false);
  });

  it("disconnect tells it with 0x97 where its session does not persist", async () => {
    const fixture = await startedCore({ limits: { directQueuedMessages: 2, queuePolicy: "disconnect" } });
    const link = await fixture.connected("s");
    link.give(subscribePacket(1, { topicFilter: "t/#", qos: 1 }));
    await fixture.settle();
    link.hasRoom = false;
    await publish(fixture, "a1", "a2", "a3");
    expect(link.take("disconnect")).toMatchObject([{ reasonCode: ReasonCode.quotaExceeded }]);
    expect(has(fixture, "s")).toBe(false);
  });

  it("what waits too long in memory is not sent", async () => {
    const fixture = await startedCore({ limits: { queuedAgeS: 60 } });
    const link = await fixture.connected("s");
    link.give(subscribePacket(1, { topicFilter: "t/#", qos: 1 }, { topicFilter: dropped, qos: 0 }));
    await fixture.settle();
    link.hasRoom = false;
    await publish(fixture, "a1", "a2");
    await fixture.pass(61_000);
    await publish(fixture, "b1");
    link.hasRoom = true;
    await fixture.pass(1_100);
    expect(messages(link)).toEqual(["b1"]);
    expect(told(link)).toEqual([{ count: 2, bytes: 4, reason: "expired" }]);
  });
});

describe("bounds of what is kept", () => {
  it("CONNECT is refused with 0x97 where it would need one persistent session too many", async () => {
    const fixture = await startedCore({ limits: { maxSessions: 1 } });
    await fixture.persistent("one");
    const link = fixture.link();
    link.give(connectPacket("two", { properties: { sessionExpiryInterval: 60 } }));
    await fixture.settle();
    expect(link.take("connack")).toMatchObject([{ reasonCode: ReasonCode.quotaExceeded }]);
    expect(fixture.counters.limitReached["limits.maxSessions"]).toBe(1);
    await fixture.connected("three");
    (await fixture.persistent("one")).give({
      type: "disconnect",
      reasonCode: 0,
      properties: { sessionExpiryInterval: 0 },
    });
    await fixture.settle();
    await fixture.persistent("two");
    const after = await fixture.crash();
    await expect(after.persistent("four")).rejects.toThrow("151");
  });

  it("PUBLISH is refused with 0x97 where it would need one retained message too many", async () => {
    const fixture = await startedCore({ limits: { maxRetainedMessages: 1 } });
    const link = await fixture.connected("publisher");
    const retained = (topic: string, payload: string, qos: 0 | 1, packetId: number): void =>
      link.give(publishPacket(topic, payload, { qos, packetId, retain: true }));
    retained("a", "1", 1, 1);
    retained("b", "1", 1, 2);
    retained("b", "1", 0, 0);
    retained("a", "2", 1, 3);
    retained("a", "", 1, 4);
    retained("c", "1", 1, 5);
    await fixture.settle();
    expect(link.take("puback").map(({ reasonCode }) => reasonCode)).toEqual([0, 0x97, 0, 0, 0]);
    expect(fixture.core.retainedCount("default")).toBe(1);
    expect(fixture.counters.limitReached["limits.maxRetainedMessages"]).toBe(2);
  });

  it("a retained message too many of a 3.1.1 client is delivered and not retained", async () => {
    const fixture = await startedCore({ limits: { maxRetainedMessages: 0 } });
    const reader = await fixture.connected("reader");
    reader.give(subscribePacket(1, { topicFilter: "t/#", qos: 1 }));
    const link = await fixture.connected("publisher", { protocolVersion: 4 });
    link.give(publishPacket("t/a", "1", { qos: 1, retain: true }));
    await fixture.settle();
    expect([messages(reader), link.take("puback").length]).toEqual([["1"], 1]);
    const after = await fixture.crash();
    expect(after.core.retainedCount("default")).toBe(0);
  });
});

describe("a catch-up whose records the log lets go in the middle", () => {
  it("is told how many there were, goes on behind them, and is then live", async () => {
    const fixture = await away({});
    await publish(fixture, ...Array.from({ length: 40 }, (_, index) => `a${index}`));
    const link = await fixture.persistent("s", { properties: { receiveMaximum: 2 } });
    await fixture.settle();
    expect(messages(link)).toEqual(["a0", "a1"]);
    const { head } = fixture.engine.log.bounds("default", 0);
    fixture.engine.log.release("default", 0, head - 5, () => false);
    await fixture.pass(1_000);
    await acknowledgeAll(fixture, link);
    const came = messages(link);
    const gone = told(link).reduce<number>((sum, one) => sum + (one as { count: number }).count, 0);
    expect(told(link)[0]).toMatchObject({ reason: "queue-full" });
    expect(came.slice(-5)).toEqual(["a35", "a36", "a37", "a38", "a39"]);
    expect(came.length + gone).toBe(40);
    expect(gone).toBeGreaterThan(30);
    await publish(fixture, "b1");
    expect(messages(link).at(-1)).toBe("b1");
  });
});

/** Acknowledges what has come, and what comes for it. */
async function acknowledgeAll(fixture: CoreFixture, link: FakeLink): Promise<void> {
  const answered = new Set<SentPublish>();
  for (let isNew = true; isNew;) {
    const publishes = link.received.filter((packet) => packet.type === "publish" && packet.packetId > 0);
    const due = (publishes as SentPublish[]).filter((one) => !answered.has(one));
    isNew = due.length > 0;
    for (const one of due) {
      answered.add(one);
      link.give({ type: "puback", packetId: one.packetId, reasonCode: 0 });
    }
    await fixture.pass(1_100);
  }
}
