import { describe, expect, it } from "vitest";
import { Random } from "../../../testing/random.ts";
import { type CoreFixture, startedCore } from "../../../testing/core-fixture.ts";
import { AckQueue, type Settle } from "./ack-queue.ts";

async function queueOf(fixture: CoreFixture): Promise<{ queue: AckQueue; left: () => number[] }> {
  const link = await fixture.connected("c");
  const told: number[] = [];
  const queue = new AckQueue(link, { acknowledged: (_type, packetId) => told.push(packetId) });
  const left = (): number[] => {
    const ids = link.received.map((packet) => (packet.type === "puback" ? packet.packetId : 0));
    expect(told).toEqual(ids);
    return ids;
  };
  return { queue, left };
}

describe("AckQueue", () => {
  it("sends at once what nothing is before", async () => {
    const { queue, left } = await queueOf(await startedCore());
    queue.add("puback", 1, 0);
    expect(left()).toEqual([1]);
  });

  it("holds what did not wait behind what does (semantics.md §2.11)", async () => {
    const { queue, left } = await queueOf(await startedCore());
    const settle = queue.reserve("puback", 1);
    queue.add("puback", 2, 0);
    expect([left(), queue.length]).toEqual([[], 2]);
    settle(0);
    expect([left(), queue.length]).toEqual([[1, 2], 0]);
  });

  it("keeps a place for ever where nothing settles it", async () => {
    const { queue, left } = await queueOf(await startedCore());
    queue.reserve("puback", 1);
    queue.reserve("puback", 2)(0);
    expect(left()).toEqual([]);
  });

  it("says why, where there is a reason to tell", async () => {
    const fixture = await startedCore();
    const link = await fixture.connected("c");
    new AckQueue(link, { acknowledged() {} }).add("pubrec", 3, 0x87, "no");
    expect(link.take("pubrec")).toEqual([
      { type: "pubrec", packetId: 3, reasonCode: 0x87, properties: { reasonString: "no" } },
    ]);
  });

  it.each([1, 2, 3, 4, 5])("keeps the order of receipt whatever settles when: seed %i", async (seed) => {
    const random = new Random(seed);
    const { queue, left } = await queueOf(await startedCore());
    const open: Settle[] = [];
    for (let packetId = 1; packetId <= 3_000; packetId += 1) {
      if (random.chance(0.5)) queue.add("puback", packetId, 0);
      else open.push(queue.reserve("puback", packetId));
      if (open.length > 20) for (const settle of open.splice(random.below(10), 5)) settle(0);
    }
    for (const settle of open) settle(0);
    expect(left()).toEqual(Array.from({ length: 3_000 }, (_, index) => index + 1));
    expect(queue.length).toBe(0);
  });
});
