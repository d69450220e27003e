import { ReasonCode, type SubscribePacket } from "@weir/protocol";
import { describe, expect, it } from "vitest";
import {
  type CoreFixture,
  type CoreFixtureOptions,
  publishPacket,
  startedCore,
  subscribePacket,
} from "../../../testing/core-fixture.ts";
import type { FakeLink, SentPublish } from "../../../testing/fake-link.ts";
import { compilePolicy, type Policy, type PolicyEntry } from "../access/policy.ts";
import { EngineError } from "../ports/engine.ts";
import { parseHistory } from "../history/history-declaration.ts";

const dataHistory = parseHistory({ filter: "data/#", maxAge: 3_600 });

/** A core with a history of `data/#`, a second after it came into force. */
async function withHistory(options: CoreFixtureOptions = {}): Promise<CoreFixture> {
  const fixture = await startedCore({ histories: [dataHistory], ...options });
  await fixture.pass(1_000);
  return fixture;
}

function policyOf(...entries: readonly PolicyEntry[]): Policy {
  return compilePolicy(entries, { subject: "c", clientId: "c" });
}

function asking(packet: SubscribePacket, asked: Readonly<Record<string, string>>): SubscribePacket {
  return { ...packet, properties: { ...packet.properties, userProperties: Object.entries(asked) } };
}

function subscribeSince(topicFilter: string, since: string, how: object = {}): SubscribePacket {
  return asking(subscribePacket(1, { topicFilter, ...how }), { since });
}

async function publish(fixture: CoreFixture, ...messages: readonly string[]): Promise<void> {
  for (const [index, message] of messages.entries()) {
    const [topic = "", payload = topic] = message.split("=");
    const qos = index % 2 === 0 ? 0 : 1;
    await fixture.core.publish({
      tenant: "default",
      topic,
      payload: new TextEncoder().encode(payload),
      qos,
      retain: false,
    });
  }
  await fixture.settle();
}

function payloadsOf(link: FakeLink): string[] {
  return link.take("publish").map(({ payload }) => payload);
}

function positionOf({ message }: SentPublish): string | undefined {
  return message.properties?.userProperties?.find(([name]) => name === "position")?.[1];
}

function toldReplay(link: FakeLink): string | undefined {
  const [suback] = link.take("suback");
  return suback?.properties?.userProperties?.find(([name]) => name === "replay")?.[1];
}

describe("a subscription with since (semantics.md §2.10)", () => {
  it("gets what the history has, QoS 0 too, in order, and then what comes", async () => {
    const fixture = await withHistory();
    await publish(fixture, "data/a=1", "data/b=2", "other=x", "data/a=3");
    const client = await fixture.connected("c");
    client.give(subscribeSince("data/#", "-10m"));
    await fixture.settle();
    await publish(fixture, "data/a=4", "data/b=5", "other=y");
    expect(payloadsOf(client)).toEqual(["1", "2", "3", "4", "5"]);
  });

  it("is told from where, and that there was more once", async () => {
    const fixture = await withHistory();
    const told = async (since: string): Promise<string | undefined> => {
      const client = await fixture.connected("c");
      client.give(subscribeSince("data/#", since));
      await fixture.settle();
      return toldReplay(client);
    };
    await publish(fixture, "data/a");
    expect(await told("-10m")).toMatch(/^replay-truncated p1\./); // the history is not as old as that
    await fixture.pass(2_000);
    expect(await told("-1s")).toMatch(/^from p1\./);
    expect(await told("p1.elsewhere.5")).toMatch(/^replay-truncated p1\./);
    const time = new Date(fixture.clock.nowMs() - 500).toISOString();
    expect(await told(time)).toMatch(/^from p1\./);
    expect(await told((await told("-1s"))!.slice("from ".length))).toMatch(/^from p1\./);
  });

  it("begins at a position, behind the message that had it", async () => {
    const fixture = await withHistory();
    const first = await fixture.connected("a");
    first.give(asking(subscribePacket(1, { topicFilter: "data/#", qos: 0 }), { position: "true" }));
    await publish(fixture, "data/a=1", "data/a=2", "data/a=3");
    const second = first.take("publish")[1] as SentPublish;
    expect(second).toMatchObject({ qos: 0, payload: "2" });
    const client = await fixture.connected("c");
    client.give(subscribeSince("data/#", positionOf(second) ?? ""));
    await fixture.settle();
    expect(toldReplay(client)).toBe(`from ${positionOf(second)}`);
    expect(payloadsOf(client)).toEqual(["3"]);
  });

  it("begins at a time", async () => {
    const fixture = await withHistory();
    await publish(fixture, "data/a=1", "data/a=2");
    await fixture.pass(10_000);
    await publish(fixture, "data/a=3");
    const client = await fixture.connected("c");
    client.give(subscribeSince("data/#", "-5s"));
    await fixture.settle();
    expect(payloadsOf(client)).toEqual(["3"]);
  });

  it.each(["yesterday", "", "-10 m", "10m"])(
    "is refused with 0x83 and the reason for since %j",
    async (since) => {
      const fixture = await withHistory();
      const client = await fixture.connected("c");
      client.give(subscribeSince("data/#", since));
      expect(client.take("suback")).toMatchObject([
        {
          reasonCodes: [ReasonCode.implementationSpecificError],
          properties: { reasonString: expect.stringMatching(/^since must be an RFC 3339 time/) as string },
        },
      ]);
    },
  );

  it("is refused with 0x83 for a shared subscription, and with 0x87 without the action replay", async () => {
    const fixture = await withHistory();
    fixture.authenticator.policies.set("c", policyOf({ actions: ["subscribe"], topic: "data/#" }));
    const client = await fixture.connected("c");
    client.give(subscribeSince("$share/g/data/#", "-1m"));
    expect(client.take("suback")).toMatchObject([{ reasonCodes: [ReasonCode.implementationSpecificError] }]);
    client.give(subscribeSince("data/#", "-1m"));
    expect(client.take("suback")).toMatchObject([{ reasonCodes: [ReasonCode.notAuthorized] }]);
  });

  it("is replayed what it may replay, and no older than that", async () => {
    const fixture = await withHistory();
    const reads = { actions: ["subscribe"], topic: "#" } as const;
    const replays = { actions: ["replay"], topic: "data/a", maxAge: 5 } as const;
    fixture.authenticator.policies.set("c", policyOf(reads, replays));
    await publish(fixture, "data/a=old");
    await fixture.pass(10_000);
    await publish(fixture, "data/a=1", "data/b=2");
    const client = await fixture.connected("c");
    client.give(subscribeSince("data/#", "-10m"));
    await fixture.settle();
    expect(payloadsOf(client)).toEqual(["1"]);
    await publish(fixture, "data/b=3");
    expect(payloadsOf(client)).toEqual(["3"]);
  });

  it("follows the rights as of now, also in the middle", async () => {
    const fixture = await withHistory();
    const messages = Array.from({ length: 20 }, (_, index) => `data/${index % 2 === 0 ? "a" : "b"}=${index}`);
    await publish(fixture, ...messages);
    const client = await fixture.connected("c", { properties: { receiveMaximum: 4 } });
    client.give(subscribeSince("data/#", "-10m", { qos: 1 }));
    await fixture.settle();
    const first = client.take("publish");
    fixture.setPolicy("c", policyOf({ actions: ["subscribe", "replay"], topic: "data/b" }));
    await fixture.settle();
    const rest: string[] = [];
    for (let sent: readonly SentPublish[] = first; sent.length > 0; sent = client.take("publish")) {
      if (sent !== first) rest.push(...sent.map(({ topic }) => topic));
      for (const { packetId, qos } of sent)
        if (qos > 0) client.give({ type: "puback", packetId, reasonCode: 0 });
      await fixture.settle();
    }
    expect(new Set(rest)).toEqual(new Set(["data/b"]));
    expect(rest.length + first.filter(({ topic }) => topic === "data/b").length).toBe(10);
  });

  it("is not repeated what another subscription of the session has delivered, or will", async () => {
    const fixture = await withHistory();
    await publish(fixture, "data/a=1", "data/b=2");
    const client = await fixture.connected("c");
    client.give(subscribePacket(1, { topicFilter: "data/a", qos: 1 }));
    await publish(fixture, "data/a=3", "data/b=4", "data/a=5");
    client.give(subscribeSince("data/#", "-10m"));
    client.give(asking(subscribePacket(2, { topicFilter: "data/+" }), { since: "-10m" }));
    await fixture.settle();
    await publish(fixture, "data/a=6", "data/b=7");
    expect(payloadsOf(client).toSorted()).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
  });

  it("has no retained messages besides", async () => {
    const fixture = await withHistory();
    const publisher = await fixture.connected("p");
    publisher.give(publishPacket("data/a", "kept", { qos: 1, packetId: 1, retain: true }));
    await fixture.settle();
    const client = await fixture.connected("c");
    client.give(subscribeSince("data/#", "-10m", { retainHandling: 0 }));
    await fixture.settle();
    expect(client.take("publish")).toMatchObject([{ payload: "kept", retain: false }]);
  });

  it("is not replayed again to a client that resumes its session and repeats since", async () => {
    const fixture = await withHistory();
    await publish(fixture, "data/a=1");
    const client = await fixture.persistent("c");
    client.give(subscribeSince("data/#", "-10m", { qos: 1 }));
    await fixture.settle();
    expect(payloadsOf(client)).toEqual(["1"]);
    client.cut();
    await publish(fixture, "data/a=2", "data/a=3");
    const again = await fixture.persistent("c");
    again.give(subscribeSince("data/#", "-10m", { qos: 1 }));
    await fixture.settle();
    expect(toldReplay(again)).toMatch(/^from /);
    await publish(fixture, "data/a=4");
    expect(payloadsOf(again)).toEqual(["2", "3", "4"]);
  });

  it("goes on after a crash in the middle, at QoS 2 exactly once", async () => {
    const fixture = await withHistory();
    const messages = Array.from({ length: 12 }, (_, index) => `data/a=${index}`);
    for (const message of messages) {
      const payload = new TextEncoder().encode(message.slice("data/a=".length));
      await fixture.core.publish({ tenant: "default", topic: "data/a", payload, qos: 2, retain: false });
    }
    const client = await fixture.persistent("c", {
      properties: { sessionExpiryInterval: 3_600, receiveMaximum: 3 },
    });
    client.give(subscribeSince("data/#", "-10m", { qos: 2 }));
    await fixture.settle();
    const got = payloadsOf(client);
    expect(got).toEqual(["0", "1", "2"]);
    await publish(fixture, "data/a=live", "data/a=live");
    const after = await fixture.crash();
    const again = await after.persistent("c");
    await after.settle();
    const rest = again.take("publish");
    expect(rest.filter(({ dup }) => dup).map(({ payload }) => payload)).toEqual(got);
    expect(rest.filter(({ dup }) => !dup).map(({ payload }) => payload)).toEqual([
      ...messages.slice(3).map((message) => message.slice("data/a=".length)),
      "live",
      "live",
    ]);
  });

  it("is told where records went away before it came to them", async () => {
    const fixture = await withHistory({
      histories: [parseHistory({ filter: "data/#", maxAge: 60 })],
    });
    const messages = Array.from({ length: 40 }, (_, index) => `data/a=${index}`);
    for (const message of messages) {
      await publish(fixture, "other", message); // the second one at QoS 1
      await fixture.pass(500);
    }
    const client = await fixture.connected("c", { properties: { receiveMaximum: 2 } });
    client.give(subscribePacket(2, { topicFilter: "$client/dropped" }));
    client.give(subscribeSince("data/#", "-10m", { qos: 1 }));
    await fixture.settle();
    expect(payloadsOf(client)).toEqual(["0", "1"]);
    await fixture.pass(50_000);
    for (const packetId of [1, 2]) client.give({ type: "puback", packetId, reasonCode: 0 });
    await fixture.pass(2_000);
    const later = client.take("publish");
    const dropped = later.find(({ topic }) => topic === "$client/dropped");
    expect(JSON.parse(dropped?.payload ?? "{}")).toMatchObject({ reason: "replay-truncated" });
    const [next] = later.filter(({ topic }) => topic === "data/a");
    expect(Number(next?.payload)).toBeGreaterThan(10);
  });

  it("is told that a message of QoS 0 could not be logged", async () => {
    const fixture = await withHistory();
    await publish(fixture, "data/a=1");
    await fixture.pass(1_000);
    const error = new EngineError("full", "the disk is full");
    fixture.engine.hooks.fail({ kind: "append", error, outcome: "lost" });
    await publish(fixture, "data/a=2");
    await fixture.pass(1_000);
    await publish(fixture, "data/a=3");
    const client = await fixture.connected("c");
    client.give(subscribeSince("data/#", "-2s"));
    await fixture.settle();
    expect(toldReplay(client)).toMatch(/^replay-truncated /);
    expect(payloadsOf(client)).toEqual(["1", "3"]);
    const later = await fixture.connected("later");
    later.give(subscribeSince("data/#", "-1s"));
    await fixture.settle();
    expect(toldReplay(later)).toMatch(/^from /);
  });

  it("that persists keeps what comes meanwhile within the bounds of its queue", async () => {
    const fixture = await withHistory({ limits: { queuedMessages: 5 } });
    await publish(fixture, "data/a=old");
    const client = await fixture.persistent("c");
    client.give(subscribeSince("data/#", "-10m", { qos: 1 }));
    client.cut(); // before anything of it came
    for (let number = 0; number < 10; number += 1) await publish(fixture, "other", `data/a=${number}`);
    await fixture.pass(3_000);
    const again = await fixture.persistent("c");
    await fixture.settle();
    expect(payloadsOf(again)).toEqual(["old", "5", "6", "7", "8", "9"]);
  });
});

describe("a subscription with position", () => {
  it("takes by the log at QoS 0 too: no position leaves before its record is durable", async () => {
    const fixture = await withHistory();
    const client = await fixture.connected("c");
    client.give(asking(subscribePacket(1, { topicFilter: "data/#", qos: 0 }), { position: "true" }));
    await fixture.settle();
    fixture.engine.hooks.hold();
    const publisher = fixture.core.publish({
      tenant: "default",
      topic: "data/a",
      payload: new Uint8Array(),
      qos: 1,
      retain: false,
    });
    expect(client.take("publish")).toEqual([]);
    fixture.engine.hooks.resume();
    await publisher;
    await fixture.settle();
    expect(client.take("publish").map(positionOf)).toEqual([expect.stringMatching(/^p1\./)]);
  });

  it("is told on $client/position how far the log has moved, at least every minute", async () => {
    const fixture = await withHistory();
    const client = await fixture.connected("c");
    client.give(asking(subscribePacket(1, { topicFilter: "data/#" }), { position: "true" }));
    client.give(subscribePacket(2, { topicFilter: "$client/position" }));
    await fixture.settle();
    const told = (): string[] =>
      client
        .take("publish")
        .map(({ topic, payload }) => `${topic} ${(JSON.parse(payload) as { position: string }).position}`);
    const [first, ...more] = told();
    expect([first, more]).toEqual([expect.stringMatching(/^\$client\/position p1\./), []]);
    const waiting = await fixture.persistent("waiting");
    waiting.give(subscribePacket(1, { topicFilter: "elsewhere" }));
    await fixture.settle();
    await publish(fixture, "other", "elsewhere=1"); // at QoS 1: into the log
    client.take();
    await fixture.pass(60_000);
    const later = told();
    expect(later.length).toBeGreaterThan(0);
    expect(later.at(-1)).not.toBe(first);
    client.give({ type: "unsubscribe", packetId: 3, topicFilters: ["$client/position"] });
    await fixture.pass(60_000);
    expect(told()).toEqual([]);
  });

  it("has the position as the last user property, and no other one of that name", async () => {
    const fixture = await withHistory();
    const plain = await fixture.connected("plain");
    plain.give(subscribePacket(1, { topicFilter: "data/#" }));
    const client = await fixture.connected("c");
    client.give(asking(subscribePacket(1, { topicFilter: "data/#" }), { position: "true" }));
    const publisher = await fixture.connected("p");
    const userProperties = [
      ["position", "mine"],
      ["a", "b"],
    ] as const;
    publisher.give(publishPacket("data/a", "m", { properties: { userProperties } }));
    await fixture.settle();
    const propertiesOf = (link: FakeLink): unknown =>
      link.take("publish")[0]?.message.properties?.userProperties;
    expect(propertiesOf(client)).toEqual([
      ["a", "b"],
      ["position", expect.stringMatching(/^p1\./)],
    ]);
    expect(propertiesOf(plain)).toEqual(userProperties);
  });

  it("gets one copy where another subscription of the session matches too, also around its SUBSCRIBE", async () => {
    const fixture = await withHistory();
    const client = await fixture.connected("c");
    client.give(subscribePacket(1, { topicFilter: "#", qos: 1 }));
    await fixture.settle();
    fixture.engine.hooks.hold();
    const publishing = publish(fixture, "data/a=1", "data/a=2");
    client.give(asking(subscribePacket(2, { topicFilter: "data/#" }), { position: "true" }));
    const more = publish(fixture, "data/a=3", "data/a=4");
    fixture.engine.hooks.resume();
    await Promise.all([publishing, more]);
    await fixture.settle();
    expect(payloadsOf(client).toSorted()).toEqual(["1", "2", "3", "4"]);
  });
});
