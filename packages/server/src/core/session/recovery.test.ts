import { describe, expect, it } from "vitest";
import { CoreFixture, publishPacket, startedCore, subscribePacket } from "../../../testing/core-fixture.ts";
import type { Log } from "../ports/engine.ts";

/** Crashed and started again; what waits for persistent sessions is looked for when `find` is called. */
async function recovering(fixture: CoreFixture): Promise<{ after: CoreFixture; find: () => Promise<void> }> {
  for (const link of fixture.links) link.vanish();
  const engine = fixture.engine.crash();
  const gate = Promise.withResolvers<void>();
  const read = engine.log.read.bind(engine.log);
  const held: Log["read"] = async function* (tenant, position, options) {
    if (options?.to !== undefined) await gate.promise;
    yield* read(tenant, position, options);
  };
  Object.assign(engine.log, { read: held });
  const { clock, authenticator } = fixture;
  const after = await new CoreFixture({ clock, authenticator, engine }).start();
  const find = async (): Promise<void> => {
    gate.resolve();
    await after.settle();
  };
  return { after, find };
}

const payloads = (packets: readonly { readonly payload: string }[]): string[] =>
  packets.map(({ payload }) => payload);

async function withMessages(count: number): Promise<CoreFixture> {
  const fixture = await startedCore();
  const reader = await fixture.persistent("reader");
  reader.give(subscribePacket(1, { topicFilter: "t/#" }));
  await fixture.settle();
  reader.cut();
  const publisher = await fixture.connected("publisher");
  for (let packetId = 1; packetId <= count; packetId++)
    publisher.give(publishPacket("t/1", `message ${packetId}`, { qos: 1, packetId }));
  await fixture.settle();
  return fixture;
}

describe("while the outboxes are being rebuilt", () => {
  it("CONNECT and PUBLISH are answered; who is back gets what waits, then what has come since, in order", async () => {
    const { after, find } = await recovering(await withMessages(3));
    expect(after.core.isRecovered).toBe(false);
    const reader = await after.persistent("reader");
    const publisher = await after.connected("publisher");
    publisher.give(publishPacket("t/1", "message 4", { qos: 1, packetId: 4 }));
    await after.settle();
    expect(publisher.take("puback")).toMatchObject([{ packetId: 4, reasonCode: 0 }]);
    expect(reader.take("publish")).toEqual([]);
    await find();
    expect(after.core.isRecovered).toBe(true);
    expect(payloads(reader.take("publish"))).toEqual([1, 2, 3, 4].map((number) => `message ${number}`));
    publisher.give(publishPacket("t/1", "message 5", { qos: 1, packetId: 5 }));
    await after.settle();
    expect(payloads(reader.take("publish"))).toEqual(["message 5"]);
  });

  it("SUBSCRIBE of a persistent session is answered afterwards, and loses nothing of what waits", async () => {
    const { after, find } = await recovering(await withMessages(2));
    const reader = await after.persistent("reader");
    reader.give(subscribePacket(2, { topicFilter: "t/#", qos: 2 }));
    await after.settle();
    expect(reader.take("suback")).toEqual([]);
    await find();
    expect(reader.take("suback")).toMatchObject([{ packetId: 2, reasonCodes: [2] }]);
    expect(payloads(reader.take("publish"))).toEqual(["message 1", "message 2"]);
  });

  it("the retained messages are those of the end already", async () => {
    const fixture = await startedCore();
    const publisher = await fixture.connected("publisher");
    publisher.give(publishPacket("r", "last", { qos: 1, packetId: 1, retain: true }));
    await fixture.settle();
    const { after } = await recovering(fixture);
    const reader = await after.connected("reader");
    reader.give(subscribePacket(1, { topicFilter: "r", retainHandling: 0 }));
    await after.settle();
    expect(payloads(reader.take("publish"))).toEqual(["last"]);
  });

  it("a second crash loses nothing either", async () => {
    const { after } = await recovering(await withMessages(3));
    const publisher = await after.connected("publisher");
    publisher.give(publishPacket("t/1", "message 4", { qos: 1, packetId: 4 }));
    await after.pass(3_000);
    const { after: again, find } = await recovering(after);
    await find();
    const reader = await again.persistent("reader");
    expect(payloads(reader.take("publish"))).toEqual([1, 2, 3, 4].map((number) => `message ${number}`));
  });
});
