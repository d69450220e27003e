import { type Qos, ReasonCode } from "@weir/protocol";
import type { Clock } from "../ports/clock.ts";
import type { Plain, Seq } from "../ports/engine.ts";
import type { Message, TopicName } from "../ports/message.ts";
import type { Counters, DropReason } from "../ports/telemetry.ts";
import type { Link, OutgoingPublish } from "../ports/transport.ts";
import { asOf, type Delivery, withoutNoLocal } from "../routing/delivery.ts";
import { type FeedSink, LogFeed } from "../routing/log-feed.ts";
import { LogReader } from "../routing/log-reader.ts";
import type { Router } from "../routing/router.ts";
import { fromPlain } from "../routing/stored-message.ts";
import type { Recipient, SharedOrigin } from "../routing/subscription.ts";
import { DirectQueue } from "./direct-queue.ts";
import { InFlight, type InFlightEntry } from "./in-flight.ts";
import { LazyMap } from "./lazy-map.ts";
import { type SavedEntry, savedState, toSaved } from "./saved-entry.ts";
import type { SessionRecord } from "./session-record.ts";

/** What the outgoing side asks of its session. */
export interface OutgoingOwner extends Recipient {
  /** The QoS at which it may read the topic as of now; undefined: not at all. */
  readQos(topic: TopicName): Qos | undefined;
  /** The policy has changed and the subscriptions do not show it yet. */
  readonly isRechecking: boolean;
  readonly record: SessionRecord | undefined;
  /** Something meant for this session was dropped. */
  dropped(reason: DropReason, count: number, bytes: number): void;
}

export interface OutgoingOptions {
  readonly owner: OutgoingOwner;
  readonly router: Router;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly directQueuedMessages: number;
  readonly directQueuedBytes: number;
  readonly inFlightBytes: number;
}

/** Retained messages that a subscription has still to get: taken one by one as there is room. */
export type RetainedSource = Iterator<{ readonly message: Message; readonly delivery: Delivery }, void>;

/** How nearly every QoS 0 message leaves. */
const plainQos0: OutgoingPublish = {
  qos: 0,
  packetId: 0,
  dup: false,
  retain: false,
  subscriptionIdentifiers: undefined,
  messageExpiryInterval: undefined,
};

/** QoS 1 may be saved this many acknowledgements late (semantics.md §2.4). */
const lazySaveAcks = 1_000;

/** The server-to-client side of a session: what is in flight, what waits for room, what waits in the log. */
export class Outgoing implements FeedSink {
  readonly #owner: OutgoingOwner;
  readonly #router: Router;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #inFlight = new InFlight();
  readonly #inFlightBytes: number;
  readonly #queue: DirectQueue;
  #feed: LogFeed | undefined;
  #link: Link | undefined;
  #receiveMaximum = 0;
  #outstanding = 0;
  /** Until what was in flight has been read back, nothing new may overtake it. */
  #isResuming = false;
  /** In flight since an earlier connection, to be sent again. */
  #resend: InFlightEntry[] = [];
  /** By the subscription's topic filter. */
  readonly #retained = new LazyMap<string, RetainedSource>();
  /** The delivery that the router has just worked out for the record that it offers. */
  #offered: Delivery | undefined;
  #acksSinceSave = 0;
  #lastSaving: InFlightEntry | undefined;
  /** Share groups save their cursors late: until then the record goes on naming what went back to them, or is done at QoS 2. */
  #shared: SavedEntry[] = [];

  constructor(options: OutgoingOptions) {
    this.#owner = options.owner;
    this.#router = options.router;
    this.#clock = options.clock;
    this.#counters = options.counters;
    this.#inFlightBytes = options.inFlightBytes;
    this.#queue = new DirectQueue(options.directQueuedMessages, options.directQueuedBytes);
  }

  /** Makes the session a reader of the log, from the present tail on or (recovery) after a saved position. */
  openFeed(after?: Seq): LogReader {
    const reader = new LogReader(this.#router, after ?? this.#router.tailSeq);
    this.#feed = new LogFeed(reader, this.#router, this);
    return reader;
  }

  get reader(): LogReader | undefined {
    return this.#feed?.reader;
  }

  get inFlightCount(): number {
    return this.#inFlight.count;
  }

  get queued(): number {
    return this.#queue.length + (this.reader?.waiting ?? 0);
  }

  get room(): number {
    if (!this.#link?.hasRoom || this.#isResuming || this.#resend.length > 0) return 0;
    if (this.#inFlight.heldBytes >= this.#inFlightBytes) {
      this.#counters.limitReached["limits.inFlightBytes"] += 1;
      return 0;
    }
    return Math.min(this.#receiveMaximum - this.#outstanding, 65_535 - this.#inFlight.count);
  }

  canTake(qos: Qos): boolean {
    if (!this.#link?.hasRoom) return false;
    return qos === 0 || (this.room > 0 && this.#queue.length === 0);
  }

  // ---------------------------------------------------------------- the connection comes and goes

  /** A connection serves the session: what was in flight goes out again first [MQTT-4.4.0-1]. */
  async attach(link: Link, receiveMaximum: number): Promise<void> {
    this.#link = link;
    this.#receiveMaximum = receiveMaximum;
    this.#outstanding = 0;
    this.#isResuming = true;
    await this.#loadInFlight();
    if (this.#link !== link) return;
    this.#isResuming = false;
    this.#resend = this.#inFlight.inOrder();
    for (const entry of this.#resend) entry.state = savedState(entry.state); // CONNACK has waited for the save
  }

  detach(): void {
    this.#link = undefined;
    this.#resend = [];
    if (!this.#owner.isLogged) this.#retained.clear();
    this.reader?.fallBehind(this.#router.tailSeq);
    for (const entry of this.#inFlight.inOrder()) {
      entry.isOutstanding = false;
      if (entry.origin && (entry.qos === 1 || entry.state === "saving")) this.#returnToGroup(entry);
    }
    for (const item of this.#queue.drain()) {
      if (item.origin) item.origin.giveBack(item.message, item.seq);
      else if (this.#owner.isLogged) this.#queue.push(item);
    }
  }

  /** The session ends. What a share group gave to it at QoS 1 goes to another member; QoS 2 begun does not [MQTT-4.8.2-5]. */
  close(): void {
    this.detach();
    this.#feed?.close();
  }

  /** Sends what there is room for: call it whenever an acknowledgement came, the link drained, or something was added. */
  pump(): void {
    const link = this.#link;
    if (!link || this.#isResuming) return;
    if (this.#resend.length > 0) this.#pumpResend(link);
    if (this.#retained.size > 0) this.#pumpRetained();
    while (this.#queue.length > 0 && this.room > 0) this.#pumpQueue();
    this.#feed?.pump();
  }

  // ---------------------------------------------------------------- messages come in from the router

  deliver(message: Message, delivery: Delivery): void {
    const accepted = this.#accept(message, delivery, undefined);
    if (accepted) this.#sendOrQueue({ message, delivery: accepted, seq: undefined, origin: undefined });
  }

  deliverShared(message: Message, seq: Seq | undefined, delivery: Delivery, origin: SharedOrigin): void {
    const accepted = this.#accept(message, delivery, undefined);
    if (accepted) this.#sendOrQueue({ message, delivery: accepted, seq, origin });
  }

  deliverLogged(message: Message, seq: Seq, delivery: Delivery): void {
    this.#offered = delivery;
    this.#feed?.offer(message, seq);
    this.#offered = undefined;
  }

  /**
   * Owes a subscription its retained messages. What it was still owed goes with them: asked for again before they all
   * came, they are sent from the beginning.
   */
  addRetained(topicFilter: string, source: RetainedSource): void {
    this.#retained.set(topicFilter, source);
  }

  /** Whether retained messages of the subscription are still to be sent. */
  owesRetained(topicFilter: string): boolean {
    return this.#retained.has(topicFilter);
  }

  /** Nobody is subscribed so any longer. */
  forgetRetained(topicFilter: string): void {
    this.#retained.delete(topicFilter);
  }

  /** From the feed. */
  takeLogged(message: Message, seq: Seq): boolean {
    const delivery = this.#offered ?? this.#router.deliveryTo(this.#owner, message.topic.name);
    if (!delivery) return true; // unsubscribed, or forbidden, since it was noted
    const accepted = this.#accept(message, delivery, seq);
    if (!accepted) return true;
    if (Math.min(message.qos, accepted.qos) > 0) return this.#start(message, accepted, seq, undefined);
    this.#sendQos0(message, accepted);
    return true;
  }

  lost(count: number): void {
    this.#owner.dropped("queue-full", count, 0);
  }

  feedFailed(error: unknown): void {
    this.#router.feedFailed(error, () => this.pump());
  }

  // ---------------------------------------------------------------- acknowledgements

  /** False: the client acknowledges what was not sent so. */
  puback(packetId: number): boolean {
    const entry = this.#inFlight.get(packetId);
    if (!entry) return true;
    if (entry.qos !== 1) return false;
    this.#free(entry);
    this.#saveLazily();
    this.pump();
    return true;
  }

  /** What to do: answer with PUBREL, answer that the id is unknown, close, or nothing. */
  pubrec(packetId: number, reasonCode: ReasonCode): "done" | "unknown" | "mismatch" {
    const entry = this.#inFlight.get(packetId);
    if (!entry) return reasonCode >= 0x80 ? "done" : "unknown";
    if (entry.qos !== 2 || entry.state === "saving") return "mismatch";
    if (reasonCode >= 0x80) {
      this.#free(entry);
      this.#saveLazily();
      this.pump();
    } else {
      this.#release(entry);
    }
    return "done";
  }

  /** False: the client completes what was not released. */
  pubcomp(packetId: number): boolean {
    const entry = this.#inFlight.get(packetId);
    if (!entry) return true;
    if (entry.state !== "released") return false;
    this.#free(entry);
    this.#saveLazily();
    this.pump();
    return true;
  }

  // ---------------------------------------------------------------- what is saved of it

  cursor(): Plain {
    return { takenUpTo: this.reader?.position ?? 0, lastId: this.#inFlight.lastId };
  }

  inFlightPart(): Plain {
    this.#acksSinceSave = 0;
    return [...this.#inFlight.inOrder().map(toSaved), ...this.#shared] as unknown as Plain;
  }

  /** Messages of share groups that have left this session in a way that their groups may not have saved. */
  get shared(): readonly SavedEntry[] {
    return this.#shared;
  }

  /** The groups have saved it of these. Resolves when the record names them no longer, or cannot be saved. */
  async forgetShared(entries: readonly SavedEntry[]): Promise<void> {
    const forgotten = new Set(entries);
    this.#shared = this.#shared.filter((entry) => !forgotten.has(entry));
    await this.#owner.record?.save("progress").catch(() => undefined); // `recordFailed` has told
  }

  /** `shared` is what the groups may not have saved before the crash: they have not saved it now either. */
  recover(
    cursor: { readonly lastId: number },
    inFlight: readonly SavedEntry[],
    shared: readonly SavedEntry[] = [],
  ): void {
    this.#inFlight.continueAfter(cursor.lastId);
    this.#shared = shared.map((entry) => ({ ...entry, state: entry.state === "done" ? "done" : "returned" }));
    for (const saved of inFlight) {
      this.#inFlight.add({
        packetId: saved.packetId,
        qos: saved.qos,
        state: saved.state === "released" ? "released" : "sent",
        seq: saved.seq ?? undefined,
        retain: saved.retain,
        identifiers: saved.identifiers ?? undefined,
        message: saved.message ? fromPlain(saved.message, (name) => this.#router.topic(name)) : undefined,
        origin: saved.groupKey === null ? undefined : this.#router.openGroup(saved.groupKey),
        isOutstanding: false,
      });
    }
  }

  /** The records that the log has to keep for what is in flight. */
  collect(into: Set<Seq>): void {
    for (const entry of this.#inFlight.inOrder()) {
      if (entry.seq !== undefined && entry.state !== "released") into.add(entry.seq);
    }
  }

  // ---------------------------------------------------------------- within

  /** The delivery as the rules of this moment leave it; undefined: this session does not get the message. */
  #accept(message: Message, delivery: Delivery, seq: Seq | undefined): Delivery | undefined {
    let accepted: Delivery | undefined = delivery;
    if (accepted.hasNoLocal && message.publisher.sessionKey === this.#owner.key)
      accepted = withoutNoLocal(accepted);
    if (accepted && seq !== undefined && seq <= accepted.newestFrom) accepted = asOf(accepted, seq);
    if (accepted && (accepted.isChecked || this.#owner.isRechecking))
      accepted = this.#check(message, accepted);
    if (!accepted) return undefined;
    if (this.#hasExpired(message)) {
      this.#owner.dropped("expired", 1, message.payload.length);
      return undefined;
    }
    return accepted;
  }

  /** Most messages never do: these cost no look at the clock. */
  #hasExpired(message: Message): boolean {
    return message.expiresAtMs !== Infinity && message.expiresAtMs <= this.#clock.nowMs();
  }

  #check(message: Message, delivery: Delivery): Delivery | undefined {
    const qos = this.#owner.readQos(message.topic);
    if (qos === undefined) {
      this.#owner.dropped("acl", 1, message.payload.length);
      return undefined;
    }
    return qos < delivery.qos ? { ...delivery, qos } : delivery;
  }

  #sendOrQueue(item: Parameters<DirectQueue["push"]>[0]): void {
    const { message, delivery } = item;
    if (Math.min(message.qos, delivery.qos) === 0) {
      this.#sendQos0(message, delivery);
      return;
    }
    if (this.#queue.length === 0 && this.room > 0 && this.#start(message, delivery, item.seq, item.origin))
      return;
    const lacking = this.#queue.push(item);
    if (lacking === undefined) return;
    const limit = lacking === "messages" ? "limits.directQueuedMessages" : "limits.directQueuedBytes";
    this.#counters.limitReached[limit] += 1;
    this.#owner.dropped("queue-full", 1, message.payload.length);
  }

  #sendQos0(message: Message, delivery: Delivery): void {
    const link = this.#link;
    if (!link) return;
    if (!link.hasRoom) {
      this.#owner.dropped("slow", 1, message.payload.length);
      return;
    }
    const sent = link.publish(message, this.#howQos0(message, delivery));
    if (sent) this.#counters.messagesSent[0] += 1;
    else this.#owner.dropped("too-large", 1, message.payload.length);
  }

  #howQos0(message: Message, delivery: Delivery): OutgoingPublish {
    const retain = delivery.retainAsPublished && message.retain;
    const { identifiers } = delivery;
    if (!retain && identifiers === undefined && message.expiresAtMs === Infinity) return plainQos0;
    const messageExpiryInterval = this.#remainingS(message);
    return { ...plainQos0, retain, subscriptionIdentifiers: identifiers, messageExpiryInterval };
  }

  /** Puts a message in flight. False: no packet id is free. */
  #start(
    message: Message,
    delivery: Delivery,
    seq: Seq | undefined,
    origin: SharedOrigin | undefined,
  ): boolean {
    const packetId = this.#inFlight.nextId();
    if (packetId === undefined) return false;
    const { record } = this.#owner;
    const qos = Math.min(message.qos, delivery.qos) as 1 | 2;
    const entry: InFlightEntry = {
      packetId,
      qos,
      state: record && (qos === 2 || this.#isSaving) ? "saving" : "sent",
      message,
      seq,
      retain: delivery.retainAsPublished && message.retain,
      identifiers: delivery.identifiers,
      origin,
      isOutstanding: true,
    };
    this.#inFlight.add(entry);
    this.#outstanding += 1;
    if (origin) record?.mark("progress"); // the group's cursor has passed it
    if (entry.state === "saving") this.#saveThenSend(entry);
    else this.#publish(entry, false);
    return true;
  }

  /** A message waits for its save: whatever comes behind it waits too, so that the order of the log holds. */
  get #isSaving(): boolean {
    const last = this.#lastSaving;
    return last?.state === "saving" && this.#inFlight.get(last.packetId) === last;
  }

  /** QoS 2: that P stands for this message is saved before PUBLISH (semantics.md §2.4). */
  #saveThenSend(entry: InFlightEntry): void {
    const { record } = this.#owner;
    this.#lastSaving = entry;
    record?.saveThen(["progress"], () => {
      if (this.#inFlight.get(entry.packetId) !== entry || entry.state !== "saving") return;
      entry.state = "sent";
      if (entry.isOutstanding) this.#publish(entry, false);
      if (!this.#inFlight.get(entry.packetId)) this.pump(); // too large: its place is free again
    });
  }

  #publish(entry: InFlightEntry, dup: boolean): void {
    const { message } = entry;
    if (!this.#link || !message) return;
    const { packetId, qos, retain, identifiers } = entry;
    const sent = this.#link.publish(message, {
      qos,
      packetId,
      dup,
      retain,
      subscriptionIdentifiers: identifiers,
      messageExpiryInterval: this.#remainingS(message),
    });
    if (sent) {
      this.#counters.messagesSent[qos] += 1;
      return;
    }
    this.#owner.dropped("too-large", 1, message.payload.length); // counts as sent [MQTT-3.1.2-25]
    this.#free(entry);
  }

  #release(entry: InFlightEntry): void {
    const { record } = this.#owner;
    this.#inFlight.setMessage(entry, undefined);
    if (entry.state === "released" || !record) {
      entry.state = "released";
      this.#link?.ack("pubrel", entry.packetId, ReasonCode.success);
      return;
    }
    if (entry.state === "releasing") return;
    entry.state = "releasing";
    record.saveThen(["progress"], () => {
      if (this.#inFlight.get(entry.packetId) !== entry || entry.state !== "releasing") return;
      entry.state = "released";
      this.#link?.ack("pubrel", entry.packetId, ReasonCode.success);
    });
  }

  #free(entry: InFlightEntry): void {
    this.#inFlight.delete(entry.packetId);
    const isSharedOnce = entry.origin && entry.qos === 2 && entry.seq !== undefined;
    if (isSharedOnce) this.#shared.push({ ...toSaved(entry), state: "done" });
    if (entry.isOutstanding) this.#outstanding -= 1;
    entry.isOutstanding = false;
    this.#acksSinceSave += 1;
  }

  #returnToGroup(entry: InFlightEntry): void {
    this.#inFlight.delete(entry.packetId);
    if (entry.seq !== undefined) this.#shared.push({ ...toSaved(entry), state: "returned" });
    if (entry.message) entry.origin?.giveBack(entry.message, entry.seq);
  }

  #saveLazily(): void {
    const { record } = this.#owner;
    if (!record) return;
    record.mark("progress");
    if (this.#acksSinceSave >= lazySaveAcks) record.saveThen([], () => {});
  }

  #pumpResend(link: Link): void {
    while (this.#resend.length > 0 && link.hasRoom) {
      const entry = this.#resend[0] as InFlightEntry;
      if (entry.state === "sent" && this.#outstanding >= this.#receiveMaximum) return;
      this.#resend.shift();
      this.#sendAgain(link, entry);
    }
  }

  /** What may no longer be read is not sent again: QoS 1 is freed, a QoS 2 id rests (semantics.md §1.8). */
  #sendAgain(link: Link, entry: InFlightEntry): void {
    if (this.#inFlight.get(entry.packetId) !== entry) return;
    if (entry.state === "released") {
      link.ack("pubrel", entry.packetId, ReasonCode.success);
      return;
    }
    const mayRead = entry.message !== undefined && this.#owner.canRead(entry.message.topic);
    if (mayRead) {
      entry.isOutstanding = true;
      this.#outstanding += 1;
      this.#publish(entry, true);
    } else {
      this.#owner.dropped(entry.message ? "acl" : "queue-full", 1, entry.message?.payload.length ?? 0);
      if (entry.qos === 1) this.#free(entry);
    }
  }

  #pumpQueue(): void {
    const item = this.#queue.shift();
    if (!item) return;
    const { message, seq, origin } = item;
    const accepted = this.#accept(message, item.delivery, undefined);
    if (!accepted) return;
    if (Math.min(message.qos, accepted.qos) === 0) this.#sendQos0(message, accepted);
    else this.#start(message, accepted, seq, origin);
  }

  #pumpRetained(): void {
    for (const [topicFilter, source] of this.#retained.entries()) {
      if (!this.#pumpSource(source)) return;
      this.#retained.delete(topicFilter);
    }
  }

  /** False: there is more of it than room. */
  #pumpSource(source: RetainedSource): boolean {
    while (this.room > 0 && this.#queue.length === 0) {
      const next = source.next();
      if (next.done === true) return true;
      this.#sendRetained(next.value.message, next.value.delivery);
    }
    return false;
  }

  #sendRetained(message: Message, delivery: Delivery): void {
    if (this.#hasExpired(message)) return; // not lost to this client: there is none any more
    const accepted = this.#accept(message, delivery, undefined);
    if (!accepted) return;
    if (Math.min(message.qos, accepted.qos) === 0) this.#sendQos0(message, accepted);
    else this.#start(message, accepted, undefined, undefined);
  }

  /** After a restart: what was in flight is read from the log. */
  async #loadInFlight(): Promise<void> {
    const missing = this.#inFlight
      .inOrder()
      .filter((entry) => !entry.message && entry.seq && entry.state === "sent");
    if (missing.length === 0) return;
    const found = await this.#router.fetch(missing.map((entry) => entry.seq as Seq));
    const bySeq = new Map(found.map(({ seq, message }) => [seq, message]));
    for (const entry of missing) this.#inFlight.setMessage(entry, bySeq.get(entry.seq as Seq));
  }

  /** Rounded up, so that what is forwarded at once keeps its full interval; never 0 for what was begun. */
  #remainingS(message: Message): number | undefined {
    if (message.expiresAtMs === Infinity) return undefined;
    return Math.max(1, Math.ceil((message.expiresAtMs - this.#clock.nowMs()) / 1_000));
  }
}
