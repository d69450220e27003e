import { describe, expect, it } from "vitest";
import { createCounters } from "../core/ports/telemetry.ts";
import { Handshakes } from "./handshakes.ts";
import type { Handshaking } from "./handshakes.ts";

class Newcomer implements Handshaking {
  receivedBytes = 0;
  isEvicted = false;
  readonly #handshakes: Handshakes;

  constructor(handshakes: Handshakes) {
    this.#handshakes = handshakes;
    handshakes.begin(this);
  }

  evict(): void {
    this.isEvicted = true;
  }

  receive(bytes: number): void {
    this.receivedBytes += bytes;
    this.#handshakes.received(bytes);
  }
}

function bounded(): { handshakes: Handshakes; counters: ReturnType<typeof createCounters> } {
  const counters = createCounters();
  return { handshakes: new Handshakes({ counters, maxHandshakes: 3, maxHandshakeBytes: 100 }), counters };
}

describe("Handshakes", () => {
  it("cuts the oldest that has not said its CONNECT when there are too many", () => {
    const { handshakes, counters } = bounded();
    const all = Array.from({ length: 5 }, () => new Newcomer(handshakes));
    expect(all.map((one) => one.isEvicted)).toEqual([true, true, false, false, false]);
    expect(handshakes.count).toBe(3);
    expect(counters.limitReached["limits.maxHandshakes"]).toBe(2);
    expect(counters.connectionsRefused).toBe(2);
  });

  it("never cuts one that is through", () => {
    const { handshakes } = bounded();
    const through = new Newcomer(handshakes);
    handshakes.end(through);
    const others = Array.from({ length: 5 }, () => new Newcomer(handshakes));
    expect(others.filter((other) => other.isEvicted)).toHaveLength(2);
    expect(through.isEvicted).toBe(false);
  });

  it("cuts the oldest until what all have sent fits", () => {
    const { handshakes, counters } = bounded();
    const [first, second, third] = [0, 1, 2].map(() => new Newcomer(handshakes)) as [
      Newcomer,
      Newcomer,
      Newcomer,
    ];
    first.receive(60);
    second.receive(40);
    expect(first.isEvicted).toBe(false);
    third.receive(90);
    expect([first.isEvicted, second.isEvicted, third.isEvicted]).toEqual([true, true, false]);
    expect(counters.limitReached["limits.maxHandshakeBytes"]).toBe(2);
  });

  it("gives the bytes of those who are through back, once", () => {
    const { handshakes } = bounded();
    const first = new Newcomer(handshakes);
    first.receive(100);
    handshakes.end(first);
    handshakes.end(first);
    const next = new Newcomer(handshakes);
    next.receive(100);
    expect(next.isEvicted).toBe(false);
  });
});
