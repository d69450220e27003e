import { encodeText, type Qos, type ReasonCode, type Will } from "@weir/protocol";
import type { Principal, PrincipalEnd } from "../access/principal.ts";
import type { Clock } from "../ports/clock.ts";
import type { Held, Owners, Plain, Seq } from "../ports/engine.ts";
import type { Message, Publisher, TopicName } from "../ports/message.ts";
import type { Counters, DropReason, Logger } from "../ports/telemetry.ts";
import type { Link, Peer } from "../ports/transport.ts";
import type { Delivery } from "../routing/delivery.ts";
import type { LogReader } from "../routing/log-reader.ts";
import type { QueueBounds, QueueCut } from "../routing/queue-bounds.ts";
import type { SavedDrops } from "../routing/reader-cursor.ts";
import type { Router } from "../routing/router.ts";
import type { SharedOrigin } from "../routing/subscription.ts";
import type { ClientTopic } from "./client-topics.ts";
import { ExpiryNotice } from "./expiry-notice.ts";
import { DropNotice, type UntoldDrops } from "./drop-notice.ts";
import { Incoming } from "./incoming.ts";
import type { Limits } from "./limits.ts";
import { Outgoing, type OutgoingOwner } from "./outgoing.ts";
import { oauthPart } from "./saved-oauth.ts";
import { PositionNotice } from "./position-notice.ts";
import type { Replays } from "./replays.ts";
import { type RecordSource, SessionRecord } from "./session-record.ts";
import { directBoundsOf, queueBoundsOf, queueLimitNames } from "./session-queue.ts";
import { type SessionView, viewOf } from "./session-view.ts";
import { Subscriptions, type SubscriptionsOwner } from "./subscriptions.ts";

/** The connection that serves a session. */
export interface Attachment {
  readonly link: Link;
  readonly peer: Peer;
  readonly protocolVersion: 3 | 4 | 5;
  /** The client's Receive Maximum. */
  readonly receiveMaximum: number;
  readonly connectedSinceMs: number;
  /** What the session's principal may use is another amount now. */
  limitsChanged(): void;
  /** Another principal of the same identity has taken the connection over. */
  principalReplaced(before: Principal): void;
  /** Ends the connection with a DISCONNECT (where the protocol has one), for what the broker has decided. */
  end(reasonCode: ReasonCode): void;
}

/** Who keeps the session; the directory. */
export interface SessionKeeper {
  /** The policy of the session's principal was replaced. */
  policyChanged(session: Session): void;
  /** Something of the session waits to be saved. */
  recordMarked(session: Session): void;
  /** The session's principal may do nothing any more. */
  endPrincipal(session: Session, why: PrincipalEnd): void;
  /** A queue of the session is over its bounds, and its policy is to disconnect. */
  queueOverflowed(session: Session): void;
  /** Another principal has resumed the session. */
  principalReplaced(session: Session, before: Principal): void;
}

/** What was dropped of a session's messages, as it is saved. */
export interface SavedDropCount {
  readonly count: number;
  readonly untold: readonly UntoldDrops[];
}

export interface SessionOptions {
  /** For people and REST; no secret and no name. */
  readonly id: string;
  readonly key: string;
  /** Another one whenever the session is made anew: tells recovery whose packet ids a record speaks of. */
  readonly incarnation: string;
  readonly principal: Principal;
  readonly router: Router;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly keeper: SessionKeeper;
}

/** One MQTT session: what is subscribed, what is on its way in and out, and the connection that serves it, if there is one. */
export class Session implements OutgoingOwner, SubscriptionsOwner, RecordSource {
  readonly id: string;
  readonly key: string;
  readonly incarnation: string;
  readonly subscriptions: Subscriptions;
  readonly outgoing: Outgoing;
  readonly router: Router;
  principal: Principal;
  /** Seconds; 0 ends the session with its connection. */
  expiryS = 0;
  will: Will | undefined;
  attachment: Attachment | undefined;
  record: SessionRecord | undefined;
  isRechecking = false;
  hasEnded = false;
  /** Set while a deleted, disabled or revoked principal's session has stopped collecting, at this record. */
  stoppedAt: Seq | undefined;
  disconnectedAtMs: number | undefined;
  attachedAt: Seq = 0;
  droppedCount = 0;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #limits: Limits;
  readonly #keeper: SessionKeeper;
  #incoming: Incoming | undefined;
  #dropNotice: DropNotice | undefined;
  #positionNotice: PositionNotice | undefined;
  #expiryNotice: ExpiryNotice | undefined;
  #isLogged = false;

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.key = options.key;
    this.incarnation = options.incarnation;
    this.principal = options.principal;
    this.router = options.router;
    this.#clock = options.clock;
    this.#counters = options.counters;
    this.#logger = options.logger;
    this.#keeper = options.keeper;
    this.#limits = options.limits;
    const { inFlightBytes } = options.limits;
    this.outgoing = new Outgoing({ ...options, inFlightBytes, owner: this });
    this.subscriptions = new Subscriptions(this, options.router);
  }

  get tenant(): string {
    return this.principal.tenant;
  }

  get clientId(): string {
    return this.principal.clientId;
  }

  get incoming(): Incoming {
    return (this.#incoming ??= new Incoming());
  }

  get isLogged(): boolean {
    return this.#isLogged;
  }

  get isConnected(): boolean {
    return this.attachment !== undefined;
  }

  get reader(): LogReader | undefined {
    return this.outgoing.reader;
  }

  get publisher(): Publisher {
    const { realm, subject } = this.principal.identity;
    return { sessionKey: this.key, realm, subject, clientId: this.clientId };
  }

  /** The engine remembers the session from now on. */
  keepIn(owners: Owners, held: Held): void {
    this.record = new SessionRecord(owners, held, this);
  }

  /** Messages of QoS 1 and 2 come through the log from now on (or, for recovery, from after a saved position). */
  readLog(after?: Seq, drops?: SavedDrops): void {
    this.#isLogged = true;
    this.outgoing.openFeed(after, drops);
  }

  // ---------------------------------------------------------------- the connection

  /** Serves the session by a connection: call once CONNACK has been sent. Grants are computed anew under the principal. */
  async attach(attachment: Attachment): Promise<void> {
    this.attachment = attachment;
    this.attachedAt = this.router.headSeq;
    this.disconnectedAtMs = undefined;
    this.subscriptions.attach();
    this.#planExpiryNotice();
    await this.outgoing.attach(attachment.link, attachment.receiveMaximum);
    if (this.attachment !== attachment) return;
    this.#dropNotice?.sendSoon();
    this.cutQueue();
    this.pump();
    this.tellPositions();
  }

  /** Whoever resumes the session brings the rights that count from now on; everything is computed under them again: later, while outboxes are being rebuilt. */
  resume(principal: Principal): void {
    const before = this.principal;
    this.principal = principal;
    this.#keeper.principalReplaced(this, before);
    const isSaved = before.tokenId === principal.tokenId && principal.provider === undefined;
    if (!isSaved) this.record?.mark("meta");
    if (!this.router.isRecovered) return this.policyChanged();
    this.isRechecking = false;
    if (this.stoppedAt !== undefined) {
      this.stoppedAt = undefined;
      this.subscriptions.collectAgain();
    }
    this.subscriptions.regrant();
  }

  detach(): void {
    if (!this.attachment) return;
    this.attachment = undefined;
    this.disconnectedAtMs = this.#clock.nowMs();
    this.#expiryNotice?.stop();
    this.#expiryNotice = undefined;
    this.subscriptions.detach();
    this.outgoing.detach();
  }

  /** Its time without a connection is over. */
  expired(): void {
    this.#counters.sessionsExpired += 1;
  }

  /** Nothing of the session remains in the broker's memory; its record is the directory's to close. */
  close(): void {
    this.hasEnded = true;
    this.detach();
    this.outgoing.close();
    this.subscriptions.clear();
  }

  /** A client that has acknowledged, or whose link has drained, may take more. */
  pump(): void {
    this.outgoing.pump();
    for (const group of this.subscriptions.groups) group.pump();
  }

  // ---------------------------------------------------------------- bounds of its queue

  get queueBounds(): QueueBounds {
    return queueBoundsOf(this.#limits, this.principal.limits);
  }

  get directBounds(): QueueBounds {
    return directBoundsOf(this.#limits, this.principal.limits);
  }

  queueOverflowed(): void {
    this.#keeper.queueOverflowed(this);
  }

  /** Keeps what waits for it in the log within its bounds; after a start, once all of it is known. */
  cutQueue(): void {
    if (!this.router.isRecovered) return;
    const bounds = this.queueBounds;
    for (const cut of this.outgoing.cut(bounds)) this.#tellCut(cut);
  }

  #tellCut(cut: QueueCut): void {
    if (cut.bound) this.#counters.limitReached[queueLimitNames[cut.bound]] += 1;
    if (cut.isOver) this.queueOverflowed();
    if (cut.old.messages > 0) this.dropped("expired", cut.old.messages, cut.old.bytes);
    if (cut.excess.messages > 0) this.dropped("queue-full", cut.excess.messages, cut.excess.bytes);
    this.record?.mark("progress");
  }

  // ---------------------------------------------------------------- replays

  get replays(): Replays {
    return this.outgoing.replays;
  }

  needReader(): LogReader {
    return this.outgoing.needReader();
  }

  get sentUpTo(): Seq | undefined {
    return this.outgoing.sentUpTo;
  }

  get wantsPositions(): boolean {
    return this.subscriptions.wants("$client/position") && this.subscriptions.asksForPositions;
  }

  /** Tells how far the log has moved, from now on, if anybody asks. */
  tellPositions(): void {
    if (!this.wantsPositions) return;
    this.#positionNotice ??= new PositionNotice(this, this.#clock);
    this.#positionNotice.start();
  }

  /** Its live messages come from the log's tail from now on. */
  replayed(topicFilter: string): void {
    this.subscriptions.endReplay(topicFilter);
    this.record?.mark("meta", "progress");
    this.outgoing.pump();
  }

  // ---------------------------------------------------------------- live changes of the principal

  /** Call after `principal.policy` was replaced: it counts at once, and the effective filters follow in slices. */
  policyChanged(): void {
    this.isRechecking = true;
    this.#keeper.policyChanged(this);
  }

  /** Call after `principal.endsAtMs` was replaced. */
  endChanged(): void {
    this.#planExpiryNotice();
  }

  /** Call after `principal.limits` was replaced. */
  limitsChanged(): void {
    this.attachment?.limitsChanged();
  }

  /** Another principal of the same identity takes the connection over; it counts from now on (semantics.md §1.13). */
  renew(principal: Principal): void {
    const before = this.principal;
    this.principal = principal;
    this.#keeper.principalReplaced(this, before);
    this.record?.mark("meta");
    this.attachment?.principalReplaced(before);
    this.policyChanged();
    this.endChanged();
  }

  /** Call when the credential ended: the connection ends with 0xA0 for an expiry, else with 0x98. */
  endPrincipal(why: PrincipalEnd): void {
    this.#keeper.endPrincipal(this, why);
  }

  view(): SessionView {
    return viewOf(this);
  }

  // ---------------------------------------------------------------- Recipient

  canTake(qos: Qos): boolean {
    return this.outgoing.canTake(qos);
  }

  canRead(topic: TopicName): boolean {
    return this.principal.policy.canRead(topic.name, topic.levels);
  }

  readQos(topic: TopicName): Qos | undefined {
    return this.principal.policy.readQos(topic.name, topic.levels);
  }

  deliver(message: Message, delivery: Delivery): void {
    this.outgoing.deliver(message, delivery);
  }

  deliverLogged(message: Message, seq: Seq, delivery: Delivery): void {
    this.outgoing.deliverLogged(message, seq, delivery);
  }

  deliverShared(message: Message, seq: Seq | undefined, delivery: Delivery, origin: SharedOrigin): void {
    this.outgoing.deliverShared(message, seq, delivery, origin);
  }

  dropped(reason: DropReason, count: number, bytes: number): void {
    this.#counters.messagesDropped[reason] += count;
    this.droppedCount += count;
    this.#noticeOfDrops().add(reason, count, bytes);
  }

  /** After a restart: what was dropped before. */
  recoverDrops({ count, untold }: SavedDropCount): void {
    this.droppedCount = count;
    for (const { reason, count: messages, bytes } of untold)
      this.#noticeOfDrops().add(reason, messages, bytes);
  }

  #noticeOfDrops(): DropNotice {
    return (this.#dropNotice ??= new DropNotice(this, this.#clock));
  }

  /** Sends one of the client's own topics, if it asked for it. False: it did not, or there is no room. */
  tell(topic: ClientTopic, content: Readonly<Record<string, unknown>>): boolean {
    if (!this.attachment?.link.hasRoom || !this.subscriptions.wants(topic)) return false;
    this.attachment.link.publish(clientMessage(topic, content), {
      qos: 0,
      packetId: 0,
      dup: false,
      retain: false,
      subscriptionIdentifiers: undefined,
      messageExpiryInterval: undefined,
    });
    return true;
  }

  /** A flag on the session, whatever the policy says: these topics are the client's own. */
  subscribeClientTopics(topicFilter: string): boolean {
    const isKnown = this.subscriptions.subscribeClientTopics(topicFilter);
    if (isKnown) this.#planExpiryNotice();
    return isKnown;
  }

  #planExpiryNotice(): void {
    if (!this.#expiryNotice && !this.subscriptions.wants("$client/expiring")) return;
    this.#expiryNotice ??= new ExpiryNotice(this, this.#clock);
    this.#expiryNotice.plan();
  }

  // ---------------------------------------------------------------- RecordSource

  recordMarked(): void {
    this.#keeper.recordMarked(this);
  }

  /** Without its record a session must not go on: nothing is acknowledged that might be lost. */
  recordFailed(error: unknown): void {
    this.#logger.error(
      { session: this.id, error: String(error) },
      "the session could not be saved; its connection ends",
    );
    this.attachment?.link.close();
  }

  metaPart(): Plain {
    const { tenant, clientId, identity, tokenId, minter } = this.principal;
    return {
      id: this.id,
      incarnation: this.incarnation,
      tenant,
      clientId,
      realm: identity.realm,
      subject: identity.subject,
      tokenId: tokenId ?? null,
      minter: minter ?? null,
      oauth: oauthPart(this.principal),
      expiryS: this.expiryS,
      isLogged: this.isLogged,
      limits: (this.principal.limits ?? null) as Plain,
      will: (this.will ?? null) as Plain,
      subscriptions: this.subscriptions.saved() as unknown as Plain,
    };
  }

  progressParts(): { cursor: Plain; inFlight: Plain } {
    const cursor = {
      outgoing: this.outgoing.cursor(),
      inbound: this.#incoming?.loggedIds ?? [],
      inboundAt: this.router.tailSeq,
      stoppedAt: this.stoppedAt ?? null,
      dropped: { count: this.droppedCount, untold: this.#dropNotice?.untold ?? [] } as unknown as Plain,
    };
    return { cursor, inFlight: this.outgoing.inFlightPart() };
  }
}

function clientMessage(topic: ClientTopic, content: Readonly<Record<string, unknown>>): Message {
  return {
    topic: { name: topic, levels: topic.split("/") },
    payload: encodeText(JSON.stringify(content)),
    qos: 0,
    retain: false,
    properties: undefined,
    expiresAtMs: Infinity,
    publisher: { sessionKey: "", realm: "", subject: "", clientId: "" },
    frames: undefined,
  };
}
