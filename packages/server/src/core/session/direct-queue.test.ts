import { describe, expect, it } from "vitest";
import { FakeRecipient, messageOf, subscriptionOf, textOf } from "../../../testing/test-message.ts";
import { type Delivery, mergeDelivery } from "../routing/delivery.ts";
import { DirectQueue, type QueuedMessage } from "./direct-queue.ts";

const session = new FakeRecipient("s");
const subscription = subscriptionOf(session, "t");
const delivery = mergeDelivery(session, [{ subscription, qos: 1 }]) as Delivery;

function item(payload: string): QueuedMessage {
  return { message: messageOf("t", payload), delivery, seq: undefined, origin: undefined };
}

describe("DirectQueue", () => {
  it("gives back in order, over many turns", () => {
    const queue = new DirectQueue(10_000, Infinity);
    let next = 0;
    for (let number = 0; number < 9_000; number += 1) {
      queue.push(item(String(number)));
      if (number % 3 > 0) expect(textOf(queue.shift()?.message)).toBe(String(next++));
    }
    expect(queue.length).toBe(3_000);
    expect(queue.drain().map(({ message }) => textOf(message))).toEqual(
      Array.from({ length: 3_000 }, (_, index) => String(next + index)),
    );
    expect([queue.length, queue.shift()]).toEqual([0, undefined]);
  });

  it("takes no more than so many messages", () => {
    const queue = new DirectQueue(2, Infinity);
    for (const payload of ["1", "2", "3"]) queue.push(item(payload));
    expect(queue.length).toBe(2);
    queue.shift();
    queue.push(item("4"));
    expect(queue.drain().map(({ message }) => textOf(message))).toEqual(["2", "4"]);
  });

  it("takes no more than so many bytes, and has room again when some have gone", () => {
    const queue = new DirectQueue(1_000, 10_000);
    for (let number = 0; number < 100; number += 1) queue.push(item("x".repeat(1_000)));
    const { length } = queue;
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(11);
    queue.drain();
    for (let number = 0; number < 100; number += 1) queue.push(item("x".repeat(1_000)));
    expect(queue.length).toBe(length);
  });
});
