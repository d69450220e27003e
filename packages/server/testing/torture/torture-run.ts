import { watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../random.ts";
import { Ledger } from "./ledger.ts";
import { ServeProcess } from "./serve-process.ts";
import { judge, mayFollow, missedBy, missedByGroup, retainedDue, shareOf } from "./torture-checks.ts";
import { createClients, type TortureClients } from "./torture-clients.ts";
import { TortureClient } from "./torture-client.ts";

export interface TortureOptions {
  readonly seed: number;
  readonly rounds: number;
  /** For the data; kept. */
  readonly directory: string;
  /** After so many rounds everything is received and judged. */
  readonly roundsPerChapter?: number;
  readonly onProgress?: (line: string) => void;
}

export interface TortureReport {
  readonly problems: readonly string[];
  readonly rounds: number;
  readonly killsWhileRecovering: number;
  /** While segments of the log were copied together or removed. */
  readonly killsWhileCompacting: number;
  readonly terms: number;
  /** Messages with PUBACK or PUBREC. */
  readonly acknowledged: number;
  readonly received: number;
  /** What came again, where it was allowed. */
  readonly repeats: number;
  readonly slowestStartMs: number;
}

const START_DEADLINE_MS = 60_000;
const ROUND_LIMIT_MS = 1_500;
const QUOTA_PER_ROUND = 400;
const SETTLE_DEADLINE_MS = 60_000;
const STEP_MS = 30;
/** Until cursors are saved: what comes in the next chapter is new. */
const CALM_MS = 3_000;
/** The log is compacted once a second at most. */
const COMPACTION_WAIT_MS = 1_200;
/** From so many rounds before the end on, one that was not yet met is waited for, with traffic that causes it. */
const LAST_ROUNDS = 10;
const SURE_COMPACTION_WAIT_MS = 15_000;
const FEED_MS = 250;
const FED_MESSAGES = 40;
/** A log that is compacted all the time: small files, and nothing stays that nobody needs. */
const COMPACTING = {
  WEIR_LIMITS_LOG_SEGMENT_BYTES: "65536",
  WEIR_LIMITS_LOG_FLOOR_S: "0",
  WEIR_LIMITS_LOG_FLOOR_BYTES: "0",
};

/** Ends a broker again and again while clients use it, and says what they were promised and did not get. */
export function torture(options: TortureOptions): Promise<TortureReport> {
  return new TortureRun(options).run();
}

class TortureRun {
  readonly #options: TortureOptions;
  /** What happens to the broker depends on the seed alone. */
  readonly #random: Random;
  /** What clients do depends on how fast they get answers. */
  #traffic: Random;
  readonly #problems: string[] = [];
  readonly #ledger = new Ledger();
  readonly #clients: TortureClients;
  #broker: ServeProcess | undefined;
  #startMs = 1_000;
  #round = 0;
  #port = 0;
  readonly #counts = {
    killsWhileRecovering: 0,
    killsWhileCompacting: 0,
    terms: 0,
    acknowledged: 0,
    received: 0,
    repeats: 0,
    slowestStartMs: 0,
  };
  /** By topic: what the last chapter left. */
  #retained: ReadonlyMap<string, string> = new Map();
  readonly #seenRetained = new Map<string, string>();

  constructor(options: TortureOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#traffic = this.#random;
    this.#clients = createClients(this.#ledger, options.seed);
  }

  async run(): Promise<TortureReport> {
    const { rounds, roundsPerChapter = 12 } = this.#options;
    try {
      while (this.#round < rounds && this.#problems.length === 0) {
        await this.#playChapter(Math.min(rounds, this.#round + roundsPerChapter));
      }
    } finally {
      for (const client of this.#clients.all) client.cut();
      await this.#broker?.end("SIGKILL");
    }
    return { problems: this.#problems, rounds: this.#round, ...this.#counts };
  }

  async #playChapter(lastRound: number): Promise<void> {
    const { away, all } = this.#clients;
    for (let isFirst = true; this.#round < lastRound; isFirst = false, this.#round += 1) {
      await this.#start();
      await this.#play(isFirst);
      const isLate = this.#round >= this.#options.rounds - LAST_ROUNDS;
      await this.#end(isLate ? SURE_COMPACTION_WAIT_MS : COMPACTION_WAIT_MS);
    }
    await this.#settle();
    if (this.#round < this.#options.rounds) await sleep(CALM_MS);
    await this.#end(COMPACTION_WAIT_MS);
    const { problems, repeats } = judge(this.#ledger, all);
    this.#problems.push(...problems);
    this.#counts.repeats += repeats;
    this.#counts.acknowledged += this.#ledger.acknowledged;
    for (const { received } of all) this.#counts.received += received.length;
    this.#tellProgress();
    this.#ledger.forget();
    this.#retained = new Map(this.#seenRetained);
    for (const client of all) client.received = [];
    away.cut();
  }

  // ── The broker

  /** Sometimes it is killed before it answers. */
  async #start(): Promise<void> {
    while (this.#random.chance(0.25)) {
      const broker = this.#spawn();
      await sleep(this.#startMs * (0.3 + 0.7 * this.#random.next()));
      await this.#endProcess(broker, "SIGKILL");
      this.#counts.killsWhileRecovering += 1;
    }
    const startedAtMs = performance.now();
    const broker = this.#spawn();
    this.#broker = broker;
    const port = await Promise.race([broker.port, sleep(START_DEADLINE_MS, undefined, { ref: false })]);
    if (port === undefined) throw new Error(`the broker did not start:\n${broker.output}`);
    this.#startMs = Math.round(performance.now() - startedAtMs);
    this.#counts.slowestStartMs = Math.max(this.#counts.slowestStartMs, this.#startMs);
    this.#port = port;
    await this.#checkRetained();
  }

  async #end(compactionWaitMs: number): Promise<void> {
    const signal = this.#random.chance(0.15) ? "SIGTERM" : "SIGKILL";
    const steps = this.#random.chance(0.3) ? this.#random.below(12) : undefined;
    const hasCompacted = await this.#meetCompaction(
      steps,
      signal === "SIGKILL" ? compactionWaitMs : COMPACTION_WAIT_MS,
    );
    if (signal === "SIGKILL" && hasCompacted) this.#counts.killsWhileCompacting += 1;
    if (signal === "SIGTERM") this.#counts.terms += 1;
    const broker = this.#broker as ServeProcess;
    const how = await this.#endProcess(broker, signal);
    if (how !== "SIGKILL" && how !== "0")
      this.#ledger.fail(`the broker ended with ${how}:\n${broker.output}`);
    await Promise.all(this.#clients.all.map((client) => client.gone));
  }

  /** Whether the broker is at one now. Of all the kills one at least has to meet one, however slow the machine is. */
  async #meetCompaction(steps: number | undefined, waitMs: number): Promise<boolean> {
    if (waitMs === COMPACTION_WAIT_MS || this.#counts.killsWhileCompacting > 0)
      return steps !== undefined && this.#compaction(steps, COMPACTION_WAIT_MS);
    const feeding = setInterval(() => this.#feed(), FEED_MS);
    try {
      return await this.#compaction(steps ?? 0, waitMs);
    } finally {
      clearInterval(feeding);
    }
  }

  /** More to log, for those who are away too. */
  #feed(): void {
    for (const publisher of this.#clients.publishers) {
      publisher.quota = FED_MESSAGES;
      if (publisher.isUp) publisher.pump();
      else this.#join(publisher);
    }
  }

  #spawn(): ServeProcess {
    return new ServeProcess({ directory: this.#options.directory, environment: COMPACTING });
  }

  /** Resolves so many steps after a segment was begun that takes the place of others; false: there was none. */
  async #compaction(steps: number, waitMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let left: number | undefined;
    const watcher = watch(join(this.#options.directory, "data", "store", "log", "tdefault"), (_, name) => {
      if (name?.endsWith(".seg.tmp")) left ??= steps;
      if (left !== undefined && left-- === 0) resolve(true);
    });
    const hasCome = await Promise.race([promise, sleep(waitMs, false)]);
    watcher.close();
    return hasCome;
  }

  async #endProcess(broker: ServeProcess, signal: "SIGKILL" | "SIGTERM"): Promise<string> {
    const atMs = Date.now();
    const how = await broker.end(signal);
    this.#ledger.ends.push({ atMs, goneAtMs: Date.now() });
    return how;
  }

  // ── The clients

  /** Until so many messages were acknowledged, or it takes too long. */
  async #play(isWhole: boolean): Promise<void> {
    const { publishers, subscribers, away } = this.#clients;
    this.#traffic = new Random(this.#options.seed + 7_919 * (this.#round + 1));
    const wanted = this.#ledger.acknowledged + 20 + this.#random.below(600);
    for (const publisher of publishers) {
      publisher.quota = QUOTA_PER_ROUND;
      publisher.window = this.#traffic.pick([1, 5, 20, 50]);
    }
    for (const client of [...publishers, ...subscribers])
      if (isWhole || this.#traffic.chance(0.8)) this.#join(client);
    if (isWhole) this.#join(away);
    const endsAtMs = Date.now() + ROUND_LIMIT_MS;
    while (this.#ledger.acknowledged < wanted && Date.now() < endsAtMs) {
      await sleep(this.#traffic.below(STEP_MS));
      this.#comeAndGo();
    }
    if (isWhole) await this.#until(() => away.isConnected, "W2 is connected");
  }

  #join(client: TortureClient): void {
    client.isEager = false;
    client.receiveMaximum = this.#traffic.pick([1, 3, 20, 1_000]);
    client.connect(this.#port);
  }

  #comeAndGo(): void {
    const { publishers, subscribers } = this.#clients;
    const client = this.#traffic.pick(this.#traffic.chance(0.2) ? publishers : subscribers);
    const dice = this.#traffic.below(10);
    if (!client.isUp) this.#join(client);
    else if (dice === 0) client.cut();
    else if (dice === 1) client.leave();
  }

  // ── What they were promised

  /** Everybody is there and reads; then nothing that is owed may be missing. */
  async #settle(): Promise<void> {
    await this.#start();
    const { publishers, subscribers, cut, away, all } = this.#clients;
    for (const publisher of publishers) publisher.quota = 0;
    cut.connect(this.#port);
    await this.#until(() => cut.isConnected, "W1 is connected");
    cut.cut();
    for (const client of all) {
      client.isEager = true;
      client.receiveMaximum = 1_000;
      if (client !== cut && client !== away) client.connect(this.#port);
    }
    const watcher = subscribers.find(({ options }) => options.name === "S3") as TortureClient;
    for (const { options } of [cut, away]) {
      const hasCome = (): boolean => watcher.received.some(({ id }) => id === `will-${options.name}`);
      await this.#until(hasCome, `the will of ${options.name} came`);
    }
    const isComplete = (): boolean => subscribers.every((one) => missedBy(this.#ledger, one).length === 0);
    const members = subscribers.filter((one) => shareOf(one) !== undefined);
    await this.#until(() => all.every((client) => client.isQuiet), "everything that was begun is finished");
    await this.#until(isComplete, "all subscribers have everything");
    await this.#until(() => missedByGroup(this.#ledger, members).length === 0, "the group has everything");
    await this.#checkRetained();
    await sleep(STEP_MS);
  }

  /** Each retained message is the last acknowledged one, or one that was sent later. */
  async #checkRetained(): Promise<void> {
    const filters = [{ topicFilter: "r/+", qos: 0 as const }];
    const probe = new TortureClient(
      { name: "probe", sessionExpiryS: 0, filters },
      this.#ledger,
      this.#random,
    );
    probe.connect(this.#port);
    const due = retainedDue(this.#ledger);
    const isThere = (topic: string): boolean => probe.received.some((one) => one.topic === topic);
    const topics = [...this.#retained.keys(), ...due.keys()];
    await this.#until(() => probe.grantedAt.size > 0 && topics.every(isThere), "the retained messages came");
    for (const { id, topic } of probe.received) {
      const last = due.get(topic);
      const found = this.#ledger.sent.get(id);
      const isFine = found ? !last || mayFollow(found, last) : !last && this.#retained.get(topic) === id;
      if (!isFine)
        this.#ledger.fail(
          `${topic} retains ${id}, and ${last?.id ?? this.#retained.get(topic)} was acknowledged`,
        );
      this.#seenRetained.set(topic, id);
    }
    probe.leave();
  }

  async #until(isSo: () => boolean, what: string): Promise<void> {
    const endsAtMs = Date.now() + SETTLE_DEADLINE_MS;
    while (!isSo()) {
      if (Date.now() > endsAtMs)
        return this.#ledger.fail(`waited ${SETTLE_DEADLINE_MS / 1_000} s until ${what}`);
      await sleep(STEP_MS);
    }
  }

  #tellProgress(): void {
    const { acknowledged, received, repeats, slowestStartMs } = this.#counts;
    this.#options.onProgress?.(
      `round ${this.#round}: ${acknowledged} acknowledged, ${received} received, ${repeats} again where allowed, ` +
        `slowest start ${slowestStartMs} ms, ${this.#problems.length} problems`,
    );
  }
}
