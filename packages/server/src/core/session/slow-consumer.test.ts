import { describe, expect, it } from "vitest";
import {
  type CoreFixture,
  publishPacket,
  startedCore,
  subscribePacket,
} from "../../../testing/core-fixture.ts";
import type { FakeLink } from "../../../testing/fake-link.ts";

async function publishing(fixture: CoreFixture, count: number, qos: 0 | 1 | 2): Promise<FakeLink> {
  const publisher = await fixture.connected("publisher");
  for (let number = 1; number <= count; number += 1) {
    publisher.give(publishPacket("t", `m${number}`, { qos, packetId: qos === 0 ? 0 : number }));
    if (qos === 2) publisher.give({ type: "pubrel", packetId: number, reasonCode: 0 });
  }
  await fixture.settle();
  return publisher;
}

/** Takes what comes and acknowledges it until nothing comes any more. */
async function readAll(fixture: CoreFixture, link: FakeLink): Promise<string[]> {
  const read: string[] = [];
  for (let packets = link.take(); packets.length > 0; packets = link.take()) {
    for (const packet of packets) {
      if (packet.type === "publish") read.push(packet.payload);
      if (packet.type === "publish" && packet.qos === 1)
        link.give({ type: "puback", packetId: packet.packetId, reasonCode: 0 });
      if (packet.type === "publish" && packet.qos === 2)
        link.give({ type: "pubrec", packetId: packet.packetId, reasonCode: 0 });
      if (packet.type === "pubrel") link.give({ type: "pubcomp", packetId: packet.packetId, reasonCode: 0 });
    }
    await fixture.settle();
  }
  return read;
}

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `m${from + index}`);
}

describe("a consumer that reads nothing", () => {
  it("loses QoS 0, counted as slow, and the others get all of it", async () => {
    const fixture = await startedCore();
    const slow = await fixture.connected("slow");
    const fast = await fixture.connected("fast");
    for (const link of [slow, fast]) link.give(subscribePacket(1, { topicFilter: "t", qos: 0 }));
    await fixture.settle();
    slow.hasRoom = false;
    await publishing(fixture, 100, 0);
    expect(fast.take("publish").map((one) => one.payload)).toEqual(numbered(1, 100));
    expect(slow.take("publish")).toEqual([]);
    expect(fixture.counters.messagesDropped.slow).toBe(100);
    slow.hasRoom = true;
    expect(slow.take("publish")).toEqual([]);
  });

  it("waits in the log where its session persists: nothing is lost, and nothing is kept in its memory", async () => {
    const fixture = await startedCore();
    const slow = await fixture.persistent("slow");
    const fast = await fixture.persistent("fast");
    for (const link of [slow, fast]) link.give(subscribePacket(1, { topicFilter: "t", qos: 1 }));
    await fixture.settle();
    slow.hasRoom = false;
    const publisher = await publishing(fixture, 500, 1);
    expect(publisher.take("puback")).toHaveLength(500);
    expect(await readAll(fixture, fast)).toEqual(numbered(1, 500));
    const { outgoing } = fixture.session("slow");
    expect([outgoing.inFlightCount, outgoing.queued]).toEqual([0, 500]);
    slow.take("suback");
    slow.hasRoom = true;
    await fixture.settle();
    expect(await readAll(fixture, slow)).toEqual(numbered(1, 500));
    expect(outgoing.queued).toBe(0);
  });

  it.each([1, 2] as const)("waits in a bounded queue at QoS %i where it does not persist", async (qos) => {
    const fixture = await startedCore({ limits: { directQueuedMessages: 10 } });
    const slow = await fixture.connected("slow");
    const fast = await fixture.connected("fast");
    for (const link of [slow, fast]) link.give(subscribePacket(1, { topicFilter: "t", qos }));
    await fixture.settle();
    slow.hasRoom = false;
    await publishing(fixture, 30, qos);
    expect(await readAll(fixture, fast)).toEqual(numbered(1, 30));
    expect(fixture.session("slow").outgoing.queued).toBe(10);
    expect(fixture.counters.messagesDropped["queue-full"]).toBe(20);
    slow.hasRoom = true;
    expect(await readAll(fixture, slow)).toEqual(numbered(21, 30));
  });

  it("gets no more unacknowledged than its Receive Maximum, then the rest in order [MQTT-3.3.4-9]", async () => {
    const fixture = await startedCore();
    const slow = await fixture.persistent("slow", {
      properties: { sessionExpiryInterval: 60, receiveMaximum: 3 },
    });
    slow.give(subscribePacket(1, { topicFilter: "t", qos: 1 }));
    await fixture.settle();
    await publishing(fixture, 10, 1);
    expect(slow.received.filter((packet) => packet.type === "publish")).toHaveLength(3);
    expect(await readAll(fixture, slow)).toEqual(numbered(1, 10));
  });

  it("keeps at most its bound of messages in the log, the oldest go, and the client is told", async () => {
    const fixture = await startedCore({ limits: { queuedMessages: 5 } });
    const slow = await fixture.persistent("slow");
    slow.give(subscribePacket(1, { topicFilter: "t", qos: 1 }, { topicFilter: "$client/dropped", qos: 0 }));
    await fixture.settle();
    slow.take();
    slow.hasRoom = false;
    await publishing(fixture, 20, 1);
    await fixture.pass(1_100);
    slow.hasRoom = true;
    await fixture.pass(1_100);
    const packets = slow.take("publish");
    expect(packets.filter((one) => one.topic === "t").map((one) => one.payload)).toEqual(numbered(16, 20));
    const told = packets
      .filter((one) => one.topic === "$client/dropped")
      .map((one) => JSON.parse(one.payload) as unknown);
    expect(told).toEqual([{ count: 15, bytes: 6 * 3 + 9 * 2, reason: "queue-full" }]);
  });
});
