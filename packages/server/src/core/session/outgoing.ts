import type { Qos, ReasonCode } from "@weir/protocol";
import type { Clock } from "../ports/clock.ts";
import type { Plain, Seq } from "../ports/engine.ts";
import type { Message, TopicName } from "../ports/message.ts";
import type { Counters, DropReason } from "../ports/telemetry.ts";
import type { Link } from "../ports/transport.ts";
import { asRecorded, type Delivery, withoutNoLocal } from "../routing/delivery.ts";
import { type FeedSink, LogFeed } from "../routing/log-feed.ts";
import { LogReader } from "../routing/log-reader.ts";
import type { QueueBounds, QueueCut } from "../routing/queue-bounds.ts";
import type { SavedDrops } from "../routing/reader-cursor.ts";
import type { Router } from "../routing/router.ts";
import type { SharedOrigin } from "../routing/subscription.ts";
import { DirectQueue, type QueuedMessage } from "./direct-queue.ts";
import { InFlightWindow } from "./in-flight-window.ts";
import { MessageSender } from "./message-sender.ts";
import { Replays, type ReplaysOwner } from "./replays.ts";
import { RetainedQueue } from "./retained-queue.ts";
import type { SavedEntry } from "./saved-entry.ts";
import { directLimitNames } from "./session-queue.ts";
import type { SessionRecord } from "./session-record.ts";
import type { ShareReturns } from "./share-returns.ts";

/** What the outgoing side asks of its session. */
export interface OutgoingOwner extends ReplaysOwner {
  /** The QoS at which it may read the topic as of now; undefined: not at all. */
  readQos(topic: TopicName): Qos | undefined;
  /** The policy has changed and the subscriptions do not show it yet. */
  readonly isRechecking: boolean;
  readonly record: SessionRecord | undefined;
  /** What may wait in the log, and in memory. */
  readonly queueBounds: QueueBounds;
  readonly directBounds: QueueBounds;
  /** A queue is over its bounds, and the policy is to disconnect. */
  queueOverflowed(): void;
  /** Something meant for this session was dropped. */
  dropped(reason: DropReason, count: number, bytes: number): void;
}

export interface OutgoingOptions {
  readonly owner: OutgoingOwner;
  readonly router: Router;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly inFlightBytes: number;
}

/** The server-to-client side of a session: what is in flight, what waits for room, what waits in the log. */
export class Outgoing implements FeedSink {
  readonly #owner: OutgoingOwner;
  readonly #router: Router;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #sender: MessageSender;
  readonly #inFlightBytes: number;
  #receiveMaximum = 0;
  // Made when they are first needed: most sessions of a fleet never need most of them.
  #window: InFlightWindow | undefined;
  #queue: DirectQueue | undefined;
  #retained: RetainedQueue | undefined;
  #replays: Replays | undefined;
  #feed: LogFeed | undefined;
  /** The delivery that the router has just worked out for the record that it offers. */
  #offered: Delivery | undefined;

  constructor(options: OutgoingOptions) {
    const { owner, router, clock, counters, inFlightBytes } = options;
    this.#owner = owner;
    this.#router = router;
    this.#clock = clock;
    this.#counters = counters;
    this.#inFlightBytes = inFlightBytes;
    this.#sender = new MessageSender(owner, clock, counters);
  }

  /** What its subscriptions are owed of the retained messages. */
  get retained(): RetainedQueue {
    return (this.#retained ??= new RetainedQueue());
  }

  /** What its subscriptions are owed of the log. */
  get replays(): Replays {
    return (this.#replays ??= new Replays(this.#owner, this.#router, this.#clock, this));
  }

  /** Makes the session a reader of the log, from the present tail on or (recovery) after a saved position. */
  openFeed(after?: Seq, drops?: SavedDrops): LogReader {
    const reader = new LogReader(this.#router, after ?? this.#router.tailSeq, drops);
    reader.follow(this.#owner.queueBounds.policy);
    this.#feed = new LogFeed(reader, this.#router, this);
    return reader;
  }

  get reader(): LogReader | undefined {
    return this.#feed?.reader;
  }

  /** For subscriptions that take everything from the log, whether the session persists or not. */
  needReader(): LogReader {
    return this.reader ?? this.openFeed();
  }

  get inFlightCount(): number {
    return this.#window?.count ?? 0;
  }

  /** Messages of share groups that have left this session; undefined: nothing ever was in flight. */
  get shareReturns(): ShareReturns | undefined {
    return this.#window?.returns;
  }

  get queued(): number {
    return this.#queueLength + (this.reader?.waiting ?? 0) + (this.#replays?.waiting ?? 0);
  }

  /** Of the messages that wait; what they cost in memory where they wait in it. */
  get queuedBytes(): number {
    return (this.#queue?.bytes ?? 0) + (this.reader?.size.bytes ?? 0);
  }

  /** Of the log everything up to here has left, or is not meant for this client; undefined: it cannot be said now. */
  get sentUpTo(): Seq | undefined {
    if (this.#window?.isSaving) return undefined;
    return Math.min(this.reader?.position ?? this.#router.tailSeq, this.#replays?.takenUpTo ?? Infinity);
  }

  get room(): number {
    if (this.#window) return this.#window.room;
    return this.#sender.link?.hasRoom ? this.#receiveMaximum : 0;
  }

  canTake(qos: Qos): boolean {
    if (!this.#sender.link?.hasRoom) return false;
    return qos === 0 || this.#canSendNow;
  }

  // ---------------------------------------------------------------- the connection comes and goes

  /** A connection serves the session: what was in flight goes out again first [MQTT-4.4.0-1]. */
  async attach(link: Link, receiveMaximum: number): Promise<void> {
    this.#sender.link = link;
    this.#receiveMaximum = receiveMaximum;
    await this.#window?.attach(link, receiveMaximum);
  }

  detach(): void {
    this.#sender.link = undefined;
    if (!this.#owner.isLogged) this.#retained = undefined;
    this.reader?.fallBehind(this.#router.tailSeq);
    this.#window?.detach();
    const queue = this.#queue;
    for (const item of queue?.drain() ?? []) {
      if (item.origin) item.origin.giveBack(item.message, item.seq);
      else if (this.#owner.isLogged) queue?.push(item, this.#owner.directBounds);
    }
  }

  /** The session ends. What a share group gave to it at QoS 1 goes to another member; QoS 2 begun does not [MQTT-4.8.2-5]. */
  close(): void {
    this.detach();
    this.#feed?.close();
    this.#replays?.close();
  }

  /** Keeps what waits in the log within the bounds, and says what had to go. */
  cut(bounds: QueueBounds): QueueCut[] {
    const ofReader = this.reader?.cut(bounds);
    const ofReplays = this.#replays?.cut(bounds) ?? [];
    return ofReader ? [ofReader, ...ofReplays] : ofReplays;
  }

  /** Sends what there is room for: call it whenever an acknowledgement came, the link drained, or something was added. */
  pump(): void {
    const { link } = this.#sender;
    if (!link || this.#window?.isResuming) return;
    this.#window?.pump(link);
    this.#retained?.pump(this);
    if (this.#queue) this.#pumpQueue(this.#queue);
    this.#feed?.pump();
    this.#replays?.pump();
  }

  // ---------------------------------------------------------------- messages come in from the router

  deliver(message: Message, delivery: Delivery): void {
    const accepted = this.#accept(message, delivery, undefined);
    if (accepted) this.#sendOrQueue(message, accepted, undefined, undefined);
  }

  deliverShared(message: Message, seq: Seq | undefined, delivery: Delivery, origin: SharedOrigin): void {
    const accepted = this.#accept(message, delivery, undefined, true);
    if (accepted) this.#sendOrQueue(message, accepted, seq, origin);
  }

  deliverLogged(message: Message, seq: Seq, delivery: Delivery): void {
    this.#offered = delivery;
    this.#feed?.offer(message, seq);
    this.#offered = undefined;
  }

  /** From the feed. */
  takeLogged(message: Message, seq: Seq): boolean {
    const delivery = this.#offered ?? this.#router.deliveryTo(this.#owner, message.topic.name);
    if (!delivery) return true; // unsubscribed, or forbidden, since it was noted
    const accepted = this.#accept(message, delivery, seq);
    return !accepted || this.#send(message, accepted, seq, undefined);
  }

  /** From a replay. */
  sendLogged(message: Message, delivery: Delivery, seq: Seq): boolean {
    return this.#send(message, delivery, seq, undefined);
  }

  lost(count: number): void {
    this.#owner.dropped("queue-full", count, 0);
  }

  feedFailed(error: unknown): void {
    this.#router.feedFailed(error, () => this.pump());
  }

  get canTakeRetained(): boolean {
    return this.#canSendNow;
  }

  /** From the queue of retained messages. */
  takeRetained(message: Message, delivery: Delivery): void {
    // Not lost to this client: there is none any more, or it is not for this client
    if (this.#sender.hasExpired(message) || this.#owner.readQos(message.topic) === undefined) return;
    const accepted = this.#accept(message, delivery, undefined, true);
    if (accepted) this.#send(message, accepted, undefined, undefined);
  }

  // ---------------------------------------------------------------- acknowledgements

  /** False: the client acknowledges what was not sent so. */
  puback(packetId: number): boolean {
    return this.#needWindow().puback(packetId);
  }

  /** What to do: answer with PUBREL, answer that the id is unknown, close, or nothing. */
  pubrec(packetId: number, reasonCode: ReasonCode): "done" | "unknown" | "mismatch" {
    return this.#needWindow().pubrec(packetId, reasonCode);
  }

  /** False: the client completes what was not released. */
  pubcomp(packetId: number): boolean {
    return this.#needWindow().pubcomp(packetId);
  }

  // ---------------------------------------------------------------- what is saved of it

  cursor(): Plain {
    const { position = 0, drops } = this.reader ?? {};
    return {
      takenUpTo: position,
      lastId: this.#window?.lastId ?? 0,
      drops: (drops ?? null) as Plain,
      replays: this.#replays?.saved() ?? [],
    };
  }

  inFlightPart(): Plain {
    return this.#window?.saved() ?? [];
  }

  recover(
    cursor: { readonly lastId: number },
    inFlight: readonly SavedEntry[],
    shared: readonly SavedEntry[] = [],
  ): void {
    if (cursor.lastId === 0 && inFlight.length === 0 && shared.length === 0) return;
    const window = this.#needWindow();
    window.recover(cursor.lastId, inFlight);
    window.returns.recover(shared);
  }

  // ---------------------------------------------------------------- within

  #needWindow(): InFlightWindow {
    return this.#window ?? this.#openWindow();
  }

  #openWindow(): InFlightWindow {
    const window = new InFlightWindow({
      owner: this.#owner,
      router: this.#router,
      counters: this.#counters,
      inFlightBytes: this.#inFlightBytes,
      receiveMaximum: this.#receiveMaximum,
      sender: this.#sender,
      home: this,
    });
    this.#window = window;
    return window;
  }

  get #queueLength(): number {
    return this.#queue?.length ?? 0;
  }

  /** There is room in flight, and nothing would be overtaken. */
  get #canSendNow(): boolean {
    return this.#queueLength === 0 && this.room > 0;
  }

  /**
   * The delivery as the rules of this moment leave it; undefined: this session does not get the message.
   *
   * @param hasToAsk whatever the delivery says: it was worked out earlier, or not for this topic
   */
  #accept(
    message: Message,
    delivery: Delivery,
    seq: Seq | undefined,
    hasToAsk = false,
  ): Delivery | undefined {
    let accepted: Delivery | undefined = delivery;
    if (seq !== undefined && seq <= accepted.newestFrom) accepted = asRecorded(accepted, message, seq);
    if (accepted?.hasNoLocal && message.publisher.sessionKey === this.#owner.key)
      accepted = withoutNoLocal(accepted);
    if (accepted && (hasToAsk || accepted.isChecked || this.#owner.isRechecking))
      accepted = this.#check(message, accepted);
    if (!accepted) return undefined;
    if (this.#sender.hasExpired(message)) {
      this.#owner.dropped("expired", 1, message.payload.length);
      return undefined;
    }
    return accepted;
  }

  #check(message: Message, delivery: Delivery): Delivery | undefined {
    const qos = this.#owner.readQos(message.topic);
    if (qos === undefined) {
      this.#owner.dropped("acl", 1, message.payload.length);
      return undefined;
    }
    return qos < delivery.qos ? { ...delivery, qos } : delivery;
  }

  /** What came directly, or from a share group. */
  #sendOrQueue(
    message: Message,
    delivery: Delivery,
    seq: Seq | undefined,
    origin: SharedOrigin | undefined,
  ): void {
    const isNext = Math.min(message.qos, delivery.qos) === 0 || this.#canSendNow;
    if (isNext && this.#send(message, delivery, seq, origin)) return;
    const queuedAtMs = this.#clock.nowMs();
    const bounds = this.#owner.directBounds;
    this.#queue ??= new DirectQueue();
    const cut = this.#queue.push({ message, delivery, seq, origin, queuedAtMs }, bounds);
    if (!cut) return;
    this.#counters.limitReached[directLimitNames[cut.bound]] += Math.max(1, cut.dropped.length);
    for (const dropped of cut.dropped) this.#owner.dropped("queue-full", 1, dropped.message.payload.length);
    if (bounds.policy === "disconnect") this.#owner.queueOverflowed();
  }

  /** False: no packet id is free. */
  #send(
    message: Message,
    delivery: Delivery,
    seq: Seq | undefined,
    origin: SharedOrigin | undefined,
  ): boolean {
    const told = delivery.hasPosition && seq !== undefined ? this.#router.positioned(message, seq) : message;
    if (Math.min(message.qos, delivery.qos) > 0) return this.#needWindow().start(told, delivery, seq, origin);
    this.#sender.sendQos0(told, delivery);
    return true;
  }

  #pumpQueue(queue: DirectQueue): void {
    while (queue.length > 0 && this.room > 0) {
      const item = queue.shift();
      if (item) this.#sendQueued(item);
    }
  }

  #sendQueued(item: QueuedMessage): void {
    if (this.#clock.nowMs() - item.queuedAtMs > this.#owner.directBounds.ageMs) {
      this.#counters.limitReached[directLimitNames.age] += 1;
      this.#owner.dropped("expired", 1, item.message.payload.length);
      return;
    }
    if (item.origin && this.#owner.readQos(item.message.topic) === undefined) {
      item.origin.giveBack(item.message, item.seq);
      return;
    }
    const accepted = this.#accept(item.message, item.delivery, undefined, true);
    if (accepted) this.#send(item.message, accepted, item.seq, item.origin);
  }
}
