import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeStream } from "../../testing/fake-stream.ts";
import { turnEnd } from "../../testing/open-connection.ts";
import { createCounters } from "../core/ports/telemetry.ts";
import { SlabPool } from "./slab-pool.ts";
import { TurnScheduler } from "./turn-scheduler.ts";
import { WriteQueue } from "./write-queue.ts";

function queueOn(stream: FakeStream): {
  queue: WriteQueue;
  pool: SlabPool;
  counters: ReturnType<typeof createCounters>;
} {
  const pool = new SlabPool();
  const counters = createCounters();
  const queue = new WriteQueue(
    stream,
    { flushed() {} },
    { pool, counters, turns: new TurnScheduler({ nowMs: () => 0 }) },
  );
  stream.attach({ received() {}, taken: () => queue.taken(), ended() {}, gone() {} });
  return { queue, pool, counters };
}

describe("WriteQueue", () => {
  const actions = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.oneof(fc.nat(100), fc.nat(3_000), fc.nat(70_000)) },
      { weight: 2, arbitrary: fc.constant("turn" as const) },
      { weight: 1, arbitrary: fc.constantFrom("fluent" as const, "stuck" as const) },
    ),
    { maxLength: 40 },
  );

  it("writes everything once and in order, whenever the kernel takes it, and gives its slabs back", async () => {
    await fc.assert(
      fc.asyncProperty(actions, async (list) => {
        const stream = new FakeStream();
        const { queue, counters } = queueOn(stream);
        const expected: Buffer[] = [];
        let fill = 0;
        for (const action of list) {
          if (typeof action === "number") {
            const bytes = Buffer.alloc(action, ++fill);
            expected.push(bytes);
            queue.append(bytes);
          } else if (action === "turn") await turnEnd();
          else {
            stream.isFluent = action === "fluent";
            if (stream.unsentBytes > 0) stream.take();
          }
          const appended = expected.reduce((sum, bytes) => sum + bytes.length, 0);
          expect(queue.bytes).toBe(appended - stream.written.length + stream.unsentBytes);
        }
        stream.isFluent = true;
        await turnEnd();
        if (stream.unsentBytes > 0) stream.take();
        await turnEnd();
        expect(stream.written.equals(Buffer.concat(expected))).toBe(true);
        expect(queue.isIdle).toBe(true);
        expect(counters.bytesSent).toBe(stream.written.length);
      }),
      { numRuns: 300 },
    );
  });

  it("holds one slab while small packets wait for a reader that has stopped", async () => {
    const stream = new FakeStream();
    stream.isFluent = false;
    const { queue, pool } = queueOn(stream);
    for (let turn = 0; turn < 500; turn++) {
      queue.append(Buffer.alloc(80));
      await turnEnd();
    }
    expect(queue.bytes).toBe(40_000);
    stream.take();
    stream.take();
    expect(queue.isIdle).toBe(true);
    expect(pool.idleBytes).toBeLessThanOrEqual(256 + 256 + 2_048 + 16_384 + 65_536);
  });

  it("copies a piece of something much larger when it has to wait, so that the rest can go", async () => {
    const stream = new FakeStream();
    stream.isFluent = false;
    const { queue } = queueOn(stream);
    queue.append(Buffer.alloc(10));
    await turnEnd();
    const chunk = Buffer.alloc(65_536, 1);
    queue.append(chunk.subarray(0, 3_000));
    chunk.fill(2);
    stream.take();
    expect(stream.writes.at(-1)).toEqual(Buffer.alloc(3_000, 1));
  });

  it("throws away what waits when it is cleared", async () => {
    const stream = new FakeStream();
    const { queue } = queueOn(stream);
    queue.append(Buffer.alloc(10));
    queue.clear();
    await turnEnd();
    expect([queue.bytes, stream.writes.length]).toEqual([0, 0]);
  });
});
