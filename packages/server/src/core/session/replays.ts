import { type Qos, splitLevels } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import type { Clock } from "../ports/clock.ts";
import type { LogRecord, Plain, Seq, StoredRecord } from "../ports/engine.ts";
import type { Message } from "../ports/message.ts";
import type { DropReason } from "../ports/telemetry.ts";
import { type Delivery, mergeDelivery, withoutNoLocal } from "../routing/delivery.ts";
import type { QueueBounds, QueueCut } from "../routing/queue-bounds.ts";
import type { Router } from "../routing/router.ts";
import { fromRecord } from "../routing/stored-message.ts";
import type { Recipient, Subscription } from "../routing/subscription.ts";
import type { Topic } from "../routing/topic-table.ts";
import { levelsMatch } from "../topics/filter-matching.ts";
import { LazyMap } from "./lazy-map.ts";
import { Replay, type ReplaySink, type SavedReplay, type TrackedSubscription } from "./replay.ts";

/** What the replays ask of their session. */
export interface ReplaysOwner extends Recipient {
  readonly principal: { readonly policy: Policy };
  /** The log's head when the present connection came. */
  readonly attachedAt: Seq;
  dropped(reason: DropReason, count: number, bytes: number): void;
  /** The replay of a subscription has come to the log's end. */
  replayed(topicFilter: string): void;
}

/** The way out to the client. */
export interface ReplayOutlet {
  readonly room: number;
  /** False: no packet id is free. */
  sendLogged(message: Message, delivery: Delivery, seq: Seq): boolean;
  pump(): void;
}

/** The replays of one session that have not come to the log's end, by topic filter. */
export class Replays implements ReplaySink {
  readonly #owner: ReplaysOwner;
  readonly #router: Router;
  readonly #clock: Clock;
  readonly #outlet: ReplayOutlet;
  readonly #byFilter = new LazyMap<string, Replay>();
  /** Where those of before a restart go on. */
  readonly #recovered = new LazyMap<string, Seq>();

  constructor(owner: ReplaysOwner, router: Router, clock: Clock, outlet: ReplayOutlet) {
    this.#owner = owner;
    this.#router = router;
    this.#clock = clock;
    this.#outlet = outlet;
  }

  get isEmpty(): boolean {
    return this.#byFilter.size === 0;
  }

  get waiting(): number {
    let waiting = 0;
    for (const replay of this.#byFilter.values()) waiting += replay.waiting;
    return waiting;
  }

  get(topicFilter: string): Replay | undefined {
    return this.#byFilter.get(topicFilter);
  }

  /** The lowest number up to which all of them are done; Infinity where there is none. */
  get takenUpTo(): Seq {
    let lowest = Infinity;
    for (const { takenUpTo } of this.#byFilter.values()) lowest = Math.min(lowest, takenUpTo);
    return lowest;
  }

  /** Begins the replay of a subscription, or goes on with what it is granted now. */
  join(subscription: TrackedSubscription): void {
    const { topicFilter, tracking } = subscription;
    const known = this.#byFilter.get(topicFilter);
    if (known) {
      known.hold(subscription);
      return;
    }
    const recovered = this.#recovered.get(topicFilter);
    const replay = new Replay(subscription, recovered ?? tracking.after, this.#router, this);
    if (recovered === undefined) replay.begin();
    replay.hold(subscription, recovered === undefined ? undefined : replay.waitsFrom);
    this.#byFilter.set(topicFilter, replay);
    this.#recovered.delete(topicFilter);
  }

  /** The subscription has given way to another one to the same filter. */
  retire(subscription: Subscription): void {
    this.#byFilter.get(subscription.topicFilter)?.retire(subscription);
  }

  end(topicFilter: string): void {
    this.#byFilter.get(topicFilter)?.close();
    this.#byFilter.delete(topicFilter);
  }

  pump(): void {
    for (const replay of this.#byFilter.values()) replay.pump();
  }

  /** Keeps what waits for each of them within the bounds. */
  cut(bounds: QueueBounds): QueueCut[] {
    return [...this.#byFilter.values()]
      .map((replay) => replay.cut(bounds))
      .filter((cut) => cut !== undefined);
  }

  stopCollecting(upTo?: Seq): void {
    for (const replay of this.#byFilter.values()) replay.freeze(upTo);
  }

  close(): void {
    for (const topicFilter of this.#byFilter.keys()) this.end(topicFilter);
  }

  saved(): Plain {
    return [...this.#byFilter.values()].map((replay) => replay.saved());
  }

  recover(saved: readonly SavedReplay[]): void {
    for (const { topicFilter, takenUpTo } of saved) this.#recovered.set(topicFilter, takenUpTo);
  }

  // ---------------------------------------------------------------- ReplaySink

  get room(): number {
    return this.#outlet.room;
  }

  takeReplayed(replay: Replay, { seq, record }: StoredRecord, isOld: boolean): boolean {
    const { subscription } = replay;
    const topic = this.#router.topic(record.topic);
    const qos =
      isOld && !this.#mayReplay(replay, seq, record, topic) ? undefined : this.#qosOf(subscription, topic);
    if (qos === undefined) return true;
    if (subscription.noLocal && record.publisher.sessionKey === this.#owner.key) return true;
    const message = fromRecord(record, topic);
    if (message.expiresAtMs <= this.#clock.nowMs() || this.#isCovered(replay, message, seq, record))
      return true;
    const delivery = mergeDelivery(this.#owner, [{ subscription, qos }]) as Delivery;
    return this.#outlet.sendLogged(message, delivery, seq);
  }

  caughtUp({ subscription }: Replay): void {
    this.#owner.replayed(subscription.topicFilter);
  }

  /** How many went is not known: of a history all that is told is what its readers may have. */
  truncated(): void {
    this.#owner.dropped("replay-truncated", 1, 0);
  }

  replayFailed(error: unknown): void {
    this.#router.feedFailed(error, () => this.#outlet.pump());
  }

  // ---------------------------------------------------------------- within

  /** What is older than its subscription needs the action `replay`, as of now, and lies in a history that still has it. */
  #mayReplay({ subscription }: Replay, seq: Seq, { publishedAtMs }: LogRecord, topic: Topic): boolean {
    if (publishedAtMs < subscription.tracking.sinceMs) return false;
    const { histories } = this.#router.recipientsOf(topic);
    if (histories.length > 0 && !histories.some((history) => history.has(seq))) return false;
    const maxAge = this.#owner.principal.policy.replayMaxAge(topic.name, topic.levels);
    return maxAge !== undefined && publishedAtMs >= this.#clock.nowMs() - maxAge * 1_000;
  }

  /** At which the subscription is granted the topic and may still read it; undefined: it is not, or may not. */
  #qosOf({ granted }: Subscription, { name, levels }: Topic): Qos | undefined {
    let best = -1;
    for (const { filter, qos } of granted)
      if (qos > best && levelsMatch(splitLevels(filter), levels)) best = qos;
    const readable = this.#owner.principal.policy.readQos(name, levels);
    return readable === undefined || best < 0 ? undefined : (Math.min(best, readable) as Qos);
  }

  /** Whether another subscription of the session has delivered the record, or will. */
  #isCovered(replay: Replay, message: Message, seq: Seq, { publishedAtMs }: LogRecord): boolean {
    const live = this.#router.deliveryTo(this.#owner, message.topic.name);
    if (live && this.#isDelivered(live, message, seq, publishedAtMs)) return true;
    for (const other of this.#byFilter.values()) {
      if (other === replay || seq > other.takenUpTo) continue;
      if (hadReplayed(other.subscription, seq, publishedAtMs) && matches(other.subscription, message))
        return true;
    }
    return false;
  }

  #isDelivered(live: Delivery, message: Message, seq: Seq, publishedAtMs: number): boolean {
    const isOwn = message.publisher.sessionKey === this.#owner.key;
    const delivery = isOwn && live.hasNoLocal ? withoutNoLocal(live) : live;
    if (!delivery) return false;
    if (delivery.parts.some(({ subscription }) => hadReplayed(subscription, seq, publishedAtMs))) return true;
    const older = delivery.parts.filter(({ subscription }) => subscription.from < seq);
    const logged = mergeDelivery(this.#owner, older);
    if (!logged) return false;
    const isFromLog = logged.path === "tracked" || (logged.path === "logged" && message.qos > 0);
    return isFromLog || seq > this.#owner.attachedAt;
  }
}

/** By a replay of its own, begun before the record. */
function hadReplayed({ tracking, from }: Subscription, seq: Seq, publishedAtMs: number): boolean {
  if (tracking?.since === undefined) return false;
  const isOld = seq <= from;
  return seq > tracking.after && (!isOld || publishedAtMs >= tracking.sinceMs);
}

function matches({ granted }: Subscription, { topic }: Message): boolean {
  return granted.some(({ filter }) => levelsMatch(splitLevels(filter), topic.levels));
}
