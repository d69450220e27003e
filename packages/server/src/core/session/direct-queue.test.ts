import { describe, expect, it } from "vitest";
import { FakeRecipient, messageOf, subscriptionOf, textOf } from "../../../testing/test-message.ts";
import { type Delivery, mergeDelivery } from "../routing/delivery.ts";
import type { QueuePolicy } from "../access/principal-limits.ts";
import type { QueueBounds } from "../routing/queue-bounds.ts";
import { DirectQueue, type QueuedMessage } from "./direct-queue.ts";

const session = new FakeRecipient("s");
const subscription = subscriptionOf(session, "t");
const delivery = mergeDelivery(session, [{ subscription, qos: 1 }]) as Delivery;

function item(payload: string, topic = "t"): QueuedMessage {
  return { message: messageOf(topic, payload), delivery, seq: undefined, origin: undefined, queuedAtMs: 0 };
}

function bounds(messages: number, bytes: number, policy: QueuePolicy = "drop-oldest"): QueueBounds {
  return { messages, bytes, ageMs: Infinity, policy };
}

describe("DirectQueue", () => {
  it("gives back in order, over many turns", () => {
    const queue = new DirectQueue();
    let next = 0;
    for (let number = 0; number < 9_000; number += 1) {
      queue.push(item(String(number)), bounds(10_000, Infinity));
      if (number % 3 > 0) expect(textOf(queue.shift()?.message)).toBe(String(next++));
    }
    expect(queue.length).toBe(3_000);
    expect(queue.drain().map(({ message }) => textOf(message))).toEqual(
      Array.from({ length: 3_000 }, (_, index) => String(next + index)),
    );
    expect([queue.length, queue.shift()]).toEqual([0, undefined]);
  });

  it.each([
    ["drop-oldest", ["2", "3", "4"], ["1"]],
    ["drop-newest", ["1", "2", "3"], ["4"]],
    ["disconnect", ["1", "2", "3", "4"], []],
  ] as const)("beyond its messages: %s", (policy, kept, gone) => {
    const queue = new DirectQueue();
    const cuts = ["1", "2", "3", "4"].map((payload) =>
      queue.push(item(payload), bounds(3, Infinity, policy)),
    );
    expect(cuts.slice(0, 3)).toEqual([undefined, undefined, undefined]);
    expect(cuts[3]?.bound).toBe("messages");
    expect(cuts[3]?.dropped.map(({ message }) => textOf(message))).toEqual(gone);
    expect(queue.drain().map(({ message }) => textOf(message))).toEqual(kept);
  });

  it("latest-per-topic lets go what was replaced, the oldest first, then the oldest, and none that was taken", () => {
    const queue = new DirectQueue();
    const most = bounds(4, Infinity, "latest-per-topic");
    const gone: string[] = [];
    const push = (topic: string, payload: string): void => {
      const cut = queue.push(item(payload, topic), most);
      gone.push(...(cut?.dropped ?? []).map(({ message }) => textOf(message) as string));
    };
    push("a", "a1");
    push("b", "b1");
    expect(textOf(queue.shift()?.message)).toBe("a1");
    push("a", "a2");
    push("b", "b2");
    push("a", "a3");
    expect(gone).toEqual([]);
    push("c", "c1");
    push("d", "d1");
    push("e", "e1");
    expect(gone).toEqual(["b1", "a2", "b2"]);
    expect(queue.drain().map(({ message }) => textOf(message))).toEqual(["a3", "c1", "d1", "e1"]);
  });

  it("has no more than so many bytes, and room again when some have gone", () => {
    const queue = new DirectQueue();
    const most = bounds(1_000, 10_000, "drop-newest");
    for (let number = 0; number < 100; number += 1) queue.push(item("x".repeat(1_000)), most);
    const { length } = queue;
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(11);
    queue.drain();
    for (let number = 0; number < 100; number += 1) queue.push(item("x".repeat(1_000)), most);
    expect(queue.length).toBe(length);
  });
});
