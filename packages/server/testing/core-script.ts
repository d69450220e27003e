import type { Qos } from "@weir/protocol";
import { EngineError } from "../src/core/ports/engine.ts";
import type { MemoryEngine } from "../src/engine/memory/memory-engine.ts";
import { FakeClock } from "@weir/testkit";
import type { Limits } from "../src/core/session/limits.ts";
import { CoreFixture, type CoreFixtureOptions } from "./core-fixture.ts";
import { clearing, ModelClient, type ModelClientOptions, type ModelWorld } from "./model-client.ts";
import { Random } from "./random.ts";

export interface ScriptOptions {
  readonly seed: number;
  readonly steps?: number;
  /** Crash at this settle point of the engine. */
  readonly crashAt?: number;
  /** What the crash leaves of what had not settled: see `CrashOptions.seed`. */
  readonly crashSeed?: number;
  /** Operations of the engine wait and are let go one by one. */
  readonly isHeld?: boolean;
  readonly hasFailures?: boolean;
  /** Queues are this short, and what is too much goes by this policy. */
  readonly queue?: Pick<Limits, "queuedMessages" | "queuePolicy">;
}

/** What a script leaves behind, for the checks. */
export interface ScriptResult {
  readonly clients: readonly ModelClient[];
  readonly problems: readonly string[];
  readonly points: number;
  readonly crashedAtMs: number | undefined;
  readonly isHeld: boolean;
  /** The log has refused to take something. */
  readonly hasRefused: boolean;
  /** By topic. */
  readonly retained: ReadonlyMap<string, string>;
}

const everybody: readonly ModelClientOptions[] = [
  { clientId: "P1", isPersistent: true },
  { clientId: "P2", isPersistent: false },
  { clientId: "S1", isPersistent: true, receiveMaximum: 2 },
  { clientId: "S2", isPersistent: true },
  { clientId: "N1", isPersistent: false },
  { clientId: "G1", isPersistent: true, username: "storage", receiveMaximum: 2 },
  { clientId: "G2", isPersistent: true, username: "storage" },
];

const topics = ["a/1", "a/2", "b/1", "s/1"];
const filters = ["a/+", "a/1", "a/#", "b/#", "r/#", "#"];
export const shareFilter = "$share/g/s/#";

/** One run of a random script against a real core: clients come and go, publish, subscribe, and the broker may crash. */
export class CoreScript implements ModelWorld {
  fixture: CoreFixture;
  step = 0;
  readonly problems: string[] = [];
  readonly #options: ScriptOptions;
  readonly #random: Random;
  readonly #clock = new FakeClock();
  readonly #clients: readonly ModelClient[];
  #after: MemoryEngine | undefined;
  #points = 0;
  readonly #crashed = Promise.withResolvers<void>();
  #crashedAtMs: number | undefined;
  #messages = 0;
  #hasRefused = false;
  #ticksAhead = 0;

  constructor(options: ScriptOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.fixture = new CoreFixture({ clock: this.#clock, ...this.#limits });
    this.#clients = everybody.map((one) => new ModelClient(one, this));
    this.fixture.engine.hooks.onAwait(({ number }) => this.#reached(number));
  }

  async run(): Promise<ScriptResult> {
    await Promise.race([this.fixture.start(), this.#crashed.promise]);
    await this.#startAgainIfCrashed();
    await this.#begin();
    const { steps = 60, isHeld = false } = this.#options;
    if (isHeld) this.fixture.engine.hooks.hold();
    for (let step = 0; step < steps; step += 1) {
      this.step += 1;
      this.#act();
      await this.#proceed();
    }
    await this.#finish();
    return {
      clients: this.#clients,
      problems: this.problems,
      points: this.#points,
      crashedAtMs: this.#crashedAtMs,
      isHeld,
      hasRefused: this.#hasRefused,
      retained: await this.#readRetained(),
    };
  }

  get #limits(): Pick<CoreFixtureOptions, "limits"> {
    const { queue } = this.#options;
    return queue ? { limits: queue } : {};
  }

  get isDown(): boolean {
    return this.#after !== undefined;
  }

  fail(what: string): void {
    this.problems.push(`step ${this.step}: ${what}`);
  }

  // ── Steps

  async #begin(): Promise<void> {
    for (const client of this.#clients) client.connect();
    await this.#quiet();
    for (const client of this.#clients) if (client.options.username) client.subscribe(shareFilter, 1);
    this.#client("S1").subscribe("a/+", 1);
    this.#client("S2").subscribe("#", 2);
    await this.#quiet();
  }

  #act(): void {
    const random = this.#random;
    const client = random.pick(this.#clients);
    const dice = random.below(100);
    if (dice < 50) this.#publish();
    else if (dice < 56) client.lose();
    else if (dice < 58) client.disconnect();
    else if (dice < 70) random.pick(this.#clients.filter((one) => !one.isUp).concat(client)).connect();
    else if (dice < 78) this.#subscribe(random.pick(["S1", "S2", "N1"]));
    else if (dice < 80) this.#client(random.pick(["S1", "S2", "N1"])).unsubscribe(random.pick(filters));
    else if (dice < 86) client.isLazy = !client.isLazy;
    else if (dice < 90) client.setRoom(random.chance(0.5));
    else if (dice < 95) this.#ticksAhead = random.pick([1, 6, 11]);
    else this.#failSomething();
  }

  #publish(): void {
    const random = this.#random;
    const name = random.pick(["P1", "P1", "P2", "S1"]);
    const qos = random.below(3) as Qos;
    const isRetained = random.chance(0.15) && name !== "S1";
    const topic = isRetained ? `r/${name}` : random.pick(topics);
    const kind = isRetained && random.chance(0.2) ? clearing : "m";
    for (let burst = random.chance(0.2) ? 4 : 1; burst > 0; burst -= 1) {
      this.#messages += 1;
      this.#client(name).publish(topic, `${kind}${this.#messages}`, qos, isRetained);
    }
  }

  /** Never to QoS 0 from above: what then waits for the log's answer is a race of its own. */
  #subscribe(name: string): void {
    const client = this.#client(name);
    const topicFilter = this.#random.pick(filters);
    const known = client.wanted.some((one) => one.topicFilter === topicFilter && one.qos > 0);
    client.subscribe(topicFilter, known ? this.#random.pick([1, 2]) : (this.#random.below(3) as Qos));
  }

  #failSomething(): void {
    if (!this.#options.hasFailures) return;
    const kind = this.#random.pick(["append", "append", "save", "fetch", "put"] as const);
    const isUnknown = this.#random.chance(0.5);
    const code = isUnknown ? "timeout" : this.#random.pick(["full", "unavailable"] as const);
    this.#hasRefused ||= code === "full" && kind === "append";
    const outcome = isUnknown && this.#random.chance(0.5) ? "applied" : "lost";
    const times = this.#random.pick([1, 1, 3]);
    this.fixture.engine.hooks.fail({ kind, error: new EngineError(code, "test", isUnknown), outcome, times });
  }

  // ── What follows from them

  async #proceed(): Promise<void> {
    const random = this.#random;
    if (this.#options.isHeld) for (let left = random.below(8); left > 0; left -= 1) await this.#letGo();
    for (; this.#ticksAhead > 0; this.#ticksAhead -= 1) {
      this.#clock.advance(100);
      await this.#clock.settle();
    }
    const dice = random.below(3);
    if (dice > 0) await microtasks();
    if (dice > 1) await this.#clock.settle();
    await this.#startAgainIfCrashed();
    for (const client of this.#clients) client.process(random.pick([1, 3, Infinity]));
  }

  async #letGo(): Promise<void> {
    this.fixture.engine.hooks.step();
    await microtasks();
  }

  /** Everything that needs no time to pass. */
  async #quiet(): Promise<void> {
    for (let round = 0; round < 6; round += 1) {
      await this.#clock.settle();
      await this.#startAgainIfCrashed();
      for (const client of this.#clients) client.process();
    }
  }

  #reached(point: number): void {
    this.#points = point;
    if (point !== this.#options.crashAt) return;
    const seed = this.#options.crashSeed;
    this.#after = this.fixture.engine.crash(seed === undefined ? {} : { seed });
    this.#crashedAtMs = this.#clock.nowMs();
    this.#crashed.resolve();
    for (const client of this.#clients) client.forsaken();
  }

  async #startAgainIfCrashed(): Promise<void> {
    const engine = this.#after;
    if (!engine) return;
    this.#after = undefined;
    this.fixture = new CoreFixture({ clock: this.#clock, engine, ...this.#limits });
    await this.fixture.start();
    for (const client of this.#clients) client.connect();
  }

  /** Everybody is there, reads and answers, and the engine does what it is asked. */
  async #finish(): Promise<void> {
    this.step += 1;
    for (let round = 0; round < 12; round += 1) {
      this.fixture.engine.hooks.clearFailures();
      this.fixture.engine.hooks.resume();
      for (const client of this.#clients) {
        client.isLazy = false;
        client.connect();
        client.setRoom(true);
      }
      await this.#quiet();
      this.#ticksAhead = 12;
      await this.#proceed();
    }
    await this.#quiet();
    for (const client of this.#clients) {
      if (!client.isConnected) this.fail(`${client.options.clientId} cannot connect`);
      if (!client.isQuiet) this.fail(`${client.options.clientId} waits for an answer that never comes`);
    }
  }

  async #readRetained(): Promise<Map<string, string>> {
    const link = await this.fixture.connected("reader");
    const request = {
      topicFilter: "r/#",
      qos: 0,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    link.give({ type: "subscribe", packetId: 1, subscriptions: [request] });
    await this.fixture.settle();
    return new Map(link.take("publish").map((packet) => [packet.topic, packet.payload]));
  }

  #client(name: string): ModelClient {
    return this.#clients.find((client) => client.options.clientId === name) as ModelClient;
  }
}

async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
}
