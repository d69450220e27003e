import { describe, expect, it } from "vitest";
import { connectPacket, CoreFixture, subscribePacket } from "../../../testing/core-fixture.ts";
import type { FakeLink } from "../../../testing/fake-link.ts";
import { Random } from "../../../testing/random.ts";
import { parseHistory } from "../history/history-declaration.ts";

/** More for a long run: `WEIR_MODEL_SCRIPTS=5000 npx vitest run replay-model`. */
const scripts = Number(process.env["WEIR_MODEL_SCRIPTS"] ?? 40);
const topics = ["data/a", "data/b", "other"] as const;
const encoder = new TextEncoder();

interface Shape {
  readonly seed: number;
  readonly persists: boolean;
  /** Another subscription of the session matches some of the topics. */
  readonly overlaps: boolean;
  readonly crashes: boolean;
}

/** Publishers, an engine whose operations settle one by one, and a client that subscribes with since at some moment. */
class ReplayScript {
  readonly shape: Shape;
  readonly published = new Map<string, string[]>(topics.map((topic) => [topic, []]));
  readonly received: { readonly topic: string; readonly payload: string }[] = [];
  readonly #random: Random;
  #fixture: CoreFixture;
  #client: FakeLink | undefined;
  #isSubscribed = false;
  #count = 0;

  constructor(shape: Shape) {
    this.shape = shape;
    this.#random = new Random(shape.seed);
    this.#fixture = new CoreFixture({ histories: [parseHistory({ filter: "data/#" })] });
  }

  async run(): Promise<void> {
    await this.#fixture.start();
    await this.#connect();
    this.#fixture.engine.hooks.hold();
    for (let step = 0; step < 120; step += 1) await this.#step();
    this.#subscribe();
    this.#fixture.engine.hooks.resume();
    for (let round = 0; round < 60; round += 1) {
      await this.#fixture.settle();
      this.#take();
    }
  }

  async #step(): Promise<void> {
    const choice = this.#random.below(20);
    if (choice < 8) this.#publish();
    else if (choice < 14) this.#fixture.engine.hooks.step();
    else if (choice < 16) await this.#settle();
    else if (choice < 18) this.#take();
    else if (choice === 18 && this.#random.below(4) === 0) this.#subscribe();
    else if (choice === 19 && this.shape.overlaps) this.#subscribePlain();
    else if (choice === 19 && this.shape.crashes && this.#random.below(6) === 0) await this.#crash();
  }

  #publish(): void {
    const topic = topics[this.#random.below(3)] as string;
    // What is not durable before a crash may be lost
    const qos = this.shape.crashes ? 1 : (this.#random.below(3) as 0 | 1 | 2);
    const payload = String((this.#count += 1));
    const done = this.#fixture.core.publish({
      tenant: "default",
      topic,
      payload: encoder.encode(payload),
      qos,
      retain: false,
    });
    if (this.shape.crashes) void done.then(() => this.published.get(topic)?.push(payload)).catch(() => {});
    else this.published.get(topic)?.push(payload);
  }

  /** Lets the core run while the engine stands still. */
  async #settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
    this.#fixture.clock.advance(1);
    await Promise.resolve();
  }

  async #connect(): Promise<void> {
    const properties = {
      receiveMaximum: 1 + this.#random.below(6),
      ...(this.shape.persists && { sessionExpiryInterval: 60 }),
    };
    const link = this.#fixture.link();
    link.give(connectPacket("c", { cleanStart: false, properties }));
    await this.#fixture.settle();
    link.take("connack");
    this.#client = link;
  }

  #subscribe(): void {
    if (this.#isSubscribed) return;
    this.#isSubscribed = true;
    const packet = subscribePacket(1, {
      topicFilter: "data/#",
      qos: this.shape.persists ? 1 : (this.#random.below(2) as 0 | 1),
    });
    const userProperties = [
      ["since", "p1.elsewhere.1"],
      ["position", String(this.#random.below(2) === 0)],
    ] as const;
    this.#client?.give({ ...packet, properties: { userProperties } });
  }

  #subscribePlain(): void {
    const qos = this.shape.persists ? 1 : (this.#random.below(2) as 0 | 1);
    const topicFilter = ["data/a", "data/+", "+/b"][this.#random.below(3)] as string;
    if (this.#fixture.session("c").subscriptions.has(topicFilter)) return;
    this.#client?.give(subscribePacket(2, { topicFilter, qos }));
  }

  #take(): void {
    for (const { topic, payload, qos, packetId, dup } of this.#client?.take("publish") ?? []) {
      const isAgain = dup && this.received.some((one) => one.payload === payload);
      if (!isAgain) this.received.push({ topic, payload });
      if (qos === 1) this.#client?.give({ type: "puback", packetId, reasonCode: 0 });
    }
  }

  /** Everything that has come is acknowledged and saved first: else QoS 1 may rightly come twice. */
  async #crash(): Promise<void> {
    this.#fixture.engine.hooks.resume();
    await this.#fixture.settle();
    this.#take();
    await this.#fixture.settle();
    this.#take();
    await this.#fixture.session("c").record?.save("meta", "progress");
    this.#fixture = await this.#fixture.crash();
    await this.#connect();
    await this.#fixture.settle();
    this.#take();
    this.#fixture.engine.hooks.hold();
  }
}

function numbersOf(script: ReplayScript, topic: string): number[] {
  return script.received.filter((one) => one.topic === topic).map(({ payload }) => Number(payload));
}

function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

const shapes = [
  ["a session that ends with its connection", { persists: false, overlaps: false, crashes: false }],
  ["a persistent session", { persists: true, overlaps: false, crashes: false }],
  ["a session with other subscriptions to the topics", { persists: false, overlaps: true, crashes: false }],
  ["a persistent session with other subscriptions", { persists: true, overlaps: true, crashes: false }],
  ["a persistent session through crashes", { persists: true, overlaps: false, crashes: true }],
] as const;

describe("the switch from replay to live under a random script", () => {
  it.each(shapes)("%s gets every message of the history once", async (_title, shape) => {
    for (let seed = 1; seed <= scripts; seed += 1) {
      const script = new ReplayScript({ seed, ...shape });
      await script.run();
      for (const topic of ["data/a", "data/b"]) {
        const got = numbersOf(script, topic);
        const expected = (script.published.get(topic) ?? []).map(Number);
        const result = { seed, topic, got: shape.overlaps ? sorted(got) : got };
        expect(result).toEqual({ seed, topic, got: shape.overlaps ? sorted(expected) : expected });
      }
    }
  });
});
