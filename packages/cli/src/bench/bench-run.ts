import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { encodePacket, type PublishPacket } from "@weir/protocol";
import type { BenchClient, BenchClientOptions } from "./bench-client.ts";
import { castOf, type BenchCast, type BenchPlan } from "./bench-plan.ts";
import { readStamp, writeStamp } from "./bench-stamp.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

const CONNECTING_AT_ONCE = 50;
const MAX_IN_FLIGHT = 1_000;
/** Messages that one publisher sends before the next one's turn. */
const MAX_BURST = 64;
const QUIET_MS = 2_000;
const TICK_MS = 1;
/** After so long without a delivery, what is under way is taken for lost, or no window would ever open again. */
const STALL_MS = 1_000;

/** Opens a client that is connected. */
export type OpenBenchClient = (
  options: Pick<BenchClientOptions, "clientId" | "onMessage" | "onSettled" | "onLost">,
) => Promise<BenchClient>;

interface Publisher {
  readonly client: BenchClient;
  readonly index: number;
  readonly frame: Buffer;
  sent: number;
  /** Deliveries of its messages. */
  delivered: number;
}

/** One run: who is connected, what was sent, what has come. */
export class BenchRun {
  /** Since `beginMeasuring`. */
  readonly latencies: LatencyHistogram = new LatencyHistogram();
  sent = 0;
  delivered = 0;
  duplicates = 0;
  refused = 0;
  readonly connectionsLost: string[] = [];
  readonly #plan: BenchPlan;
  readonly #cast: BenchCast;
  readonly #open: OpenBenchClient;
  readonly #run = randomBytes(4).readUInt32LE();
  readonly #publishers: Publisher[] = [];
  readonly #clients: BenchClient[] = [];
  #isStopped = false;
  #turn = 0;
  #startedAtMs = 0;
  #lastDeliveryAtMs = 0;
  #isBehind = false;

  constructor(plan: BenchPlan, open: OpenBenchClient) {
    this.#plan = plan;
    this.#cast = castOf(plan);
    this.#open = open;
  }

  get expected(): number {
    return this.sent * this.#cast.receivers;
  }

  /** Deliveries that have not come. */
  get missing(): number {
    return this.expected - this.delivered;
  }

  /** Connects all: the subscribers first, so that nothing is sent before they listen. */
  async connect(onConnected: (count: number) => void): Promise<void> {
    const { publishers, subscribers } = this.#cast;
    const openSome = async (
      indexes: Iterator<number>,
      open: (index: number) => Promise<void>,
    ): Promise<void> => {
      for (let next = indexes.next(); !next.done; next = indexes.next()) {
        await open(next.value);
        onConnected(this.#clients.length);
      }
    };
    const openAll = async (count: number, open: (index: number) => Promise<void>): Promise<void> => {
      const indexes = Array.from({ length: count }).keys();
      await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, () => openSome(indexes, open)));
    };
    await openAll(subscribers, (index) => this.#openSubscriber(index));
    await openAll(publishers, (index) => this.#openPublisher(index));
  }

  /** Forgets what was measured so far; what was sent and delivered counts on. */
  beginMeasuring(): void {
    this.latencies.clear();
  }

  /** Sends until `stop`. */
  async send(): Promise<void> {
    this.#startedAtMs = this.#lastDeliveryAtMs = performance.now();
    while (!this.#isStopped) {
      if (this.#plan.rate > 0) this.#sendDue();
      else if (this.#sendWindows()) {
        await nextTurn();
        continue;
      }
      await sleep(TICK_MS);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Waits until all has come that was sent, or nothing has for two seconds. */
  async drain(): Promise<void> {
    let before = this.delivered;
    let changedAtMs = performance.now();
    while (this.missing > 0 && performance.now() - changedAtMs < QUIET_MS) {
      await sleep(10);
      if (this.delivered === before) continue;
      before = this.delivered;
      changedAtMs = performance.now();
    }
  }

  close(): void {
    for (const client of this.#clients) client.end();
  }

  async #openSubscriber(index: number): Promise<void> {
    const { layout, qos } = this.#plan;
    // A subscriber knows the last number of each publisher that it hears
    const first = layout === "pairs" ? index : 0;
    const last = new Uint32Array(layout === "fan-in" ? this.#cast.publishers : 1);
    const client = await this.#openClient(`s${index}`, (packet) => this.#onMessage(packet, first, last));
    await client.subscribe(layout === "fan-in" ? this.#topic("+") : this.#topic(first), qos);
  }

  async #openPublisher(index: number): Promise<void> {
    const { size, qos, layout } = this.#plan;
    const client = await this.#openClient(`p${index}`, () => undefined);
    const packet: PublishPacket = {
      type: "publish",
      topic: this.#topic(layout === "fan-out" ? 0 : index),
      payload: Buffer.alloc(size, "weir"),
      qos,
      retain: false,
      dup: false,
      packetId: qos === 0 ? 0 : 1,
    };
    const frame = Buffer.from(encodePacket(packet, client.version));
    this.#publishers.push({ client, index, frame, sent: 0, delivered: 0 });
  }

  async #openClient(name: string, onMessage: (packet: PublishPacket) => void): Promise<BenchClient> {
    const client = await this.#open({
      clientId: `weir-bench-${this.#run.toString(36)}-${name}`,
      onMessage,
      onSettled: (reasonCode) => {
        if (reasonCode >= 0x80) this.refused++;
      },
      onLost: (why) => void this.connectionsLost.push(why),
    });
    this.#clients.push(client);
    return client;
  }

  #topic(last: number | "+"): string {
    return `${this.#plan.prefix}/${this.#run.toString(36)}/${last}`;
  }

  #onMessage({ payload }: PublishPacket, first: number, last: Uint32Array): void {
    const nowMs = performance.now();
    const stamp = readStamp(payload);
    if (stamp === undefined || stamp.run !== this.#run) return;
    const known = last[stamp.publisher - first];
    if (known === undefined) return;
    if (stamp.sequence <= known) {
      this.duplicates++;
      return;
    }
    last[stamp.publisher - first] = stamp.sequence;
    this.delivered++;
    this.#lastDeliveryAtMs = nowMs;
    const publisher = this.#publishersByIndex()[stamp.publisher];
    if (publisher) publisher.delivered++;
    this.latencies.add((nowMs - stamp.dueAtMs) * 1_000);
  }

  #byIndex: Publisher[] | undefined;

  /** They have connected in any order. */
  #publishersByIndex(): readonly Publisher[] {
    return (this.#byIndex ??= this.#publishers.toSorted((a, b) => a.index - b.index));
  }

  /**
   * Sends what is due by now. What a slow broker made wait is stamped with the time when it was due, so that the wait
   * counts; what only waited for this process's timer is not.
   */
  #sendDue(): void {
    const { rate } = this.#plan;
    const publishers = this.#publishersByIndex();
    const nowMs = performance.now();
    const due = Math.floor(((nowMs - this.#startedAtMs) / 1_000) * rate);
    let without = 0;
    while (this.sent < due && without < publishers.length) {
      const publisher = publishers[this.#turn++ % publishers.length]!;
      if (!publisher.client.hasRoom(MAX_IN_FLIGHT)) {
        without++;
        continue;
      }
      without = 0;
      this.#sendOne(publisher, this.#isBehind ? this.#startedAtMs + ((this.sent + 1) / rate) * 1_000 : nowMs);
    }
    this.#isBehind = this.sent < due;
    for (const { client } of publishers) client.flush();
  }

  /** Sends what the windows allow. True if there was anything. */
  #sendWindows(): boolean {
    const { window } = this.#plan;
    let hasSent = false;
    if (performance.now() - this.#lastDeliveryAtMs > STALL_MS) this.#reopenWindows();
    for (const publisher of this.#publishersByIndex()) {
      const open = window - Math.ceil(publisher.sent - publisher.delivered / this.#cast.receivers);
      const nowMs = performance.now();
      for (let count = Math.min(open, MAX_BURST); count > 0; count--) {
        if (!publisher.client.hasRoom(MAX_IN_FLIGHT)) break;
        this.#sendOne(publisher, nowMs);
        hasSent = true;
      }
      publisher.client.flush();
    }
    return hasSent;
  }

  #reopenWindows(): void {
    for (const publisher of this.#publishers) publisher.delivered = publisher.sent * this.#cast.receivers;
    this.#lastDeliveryAtMs = performance.now();
  }

  #sendOne(publisher: Publisher, dueAtMs: number): void {
    const { frame, index } = publisher;
    publisher.sent++;
    this.sent++;
    writeStamp(frame, frame.length - this.#plan.size, {
      run: this.#run,
      publisher: index,
      sequence: publisher.sent,
      dueAtMs,
    });
    publisher.client.publish(frame, this.#plan.qos);
  }
}
