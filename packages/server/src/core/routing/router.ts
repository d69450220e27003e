import { splitLevels } from "@weir/protocol";
import {
  type AppendResult,
  EngineError,
  type Kv,
  type Log,
  type LogRecord,
  type Seq,
  type StoredRecord,
  type Subscription as Stoppable,
} from "../ports/engine.ts";
import type { Clock } from "../ports/clock.ts";
import { defaultTenantSettings, type TenantSettings } from "../access/tenant-settings.ts";
import type { Message, TopicName } from "../ports/message.ts";
import type { Counters, DropReason, Logger } from "../ports/telemetry.ts";
import { Histories } from "../history/histories.ts";
import type { History } from "../history/history.ts";
import type { HistoryDeclaration } from "../history/history-declaration.ts";
import { withPosition } from "../history/message-position.ts";
import { PositionCodec } from "../history/position-codec.ts";
import { withVerifiedPublisher } from "../history/verified-publisher.ts";
import { RetainedStore } from "../retained/retained-store.ts";
import { SubscriptionTree } from "../topics/subscription-tree.ts";
import { Audiences } from "./audiences.ts";
import type { Delivery } from "./delivery.ts";
import { messageBytes } from "./message-bytes.ts";
import type { NeededRecords } from "./needed-records.ts";
import { Outbox } from "./outbox.ts";
import { filterOfKey, isTrackedKey } from "./tracked-key.ts";
import { type DeliveryList, RecipientSet, type Subscriber } from "./recipient-set.ts";
import { RecordTimes } from "./record-times.ts";
import { RetainedView } from "./retained-view.ts";
import { ShareGroup, type ShareGroupHome } from "./share-group.ts";
import { fromRecord, toRecord } from "./stored-message.ts";
import type { GrantedFilter, Recipient, Subscription } from "./subscription.ts";
import { type Topic, TopicTable } from "./topic-table.ts";

export interface RouterOptions {
  readonly tenant: string;
  /** What people call the tenant; its id by default. */
  readonly tenantName?: string;
  readonly settings?: TenantSettings;
  readonly log: Log;
  readonly retainedKv: Kv;
  readonly maxRetainedMessages: number;
  readonly historiesKv: Kv;
  /** Of the log's data: see `Engine.epoch`. */
  readonly epoch: string;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
}

/** Which records are read. */
export interface RecordsWanted {
  readonly filters: readonly string[];
  /** Up to and including. */
  readonly to: Seq;
  readonly limit: number;
}

export interface AppendOptions {
  /** The publisher's packet id, at QoS 2. */
  readonly inbound?: LogRecord["inbound"];
  /** Makes a retry safe. */
  readonly id?: string;
  /** A retry: whoever takes the message directly had it the first time. */
  readonly isLogOnly?: boolean;
}

/** Has records of the log in flight. */
export interface RecordHolder {
  /** False: it has none, and will say when it has again. */
  collect(into: NeededRecords): boolean;
}

/** The embedded engines have one shard; an engine with more brings one outbox per shard along. */
const shard = 0;

const feedRetryMs = 1_000;

/** One tenant's topic space: who gets what, directly or by the log. */
export class Router implements ShareGroupHome {
  readonly tenant: string;
  readonly tenantName: string;
  /** As of now: another one after each change of the tenant. */
  settings: TenantSettings;
  readonly retained: RetainedStore = new RetainedStore();
  readonly retainedView: RetainedView;
  readonly histories: Histories;
  readonly positions: PositionCodec;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #tree = new SubscriptionTree<Subscriber>();
  readonly #audiences = new Audiences(this.#tree);
  /** How often somebody joined or left an audience. */
  #memberChanges = 0;
  readonly #topics: TopicTable;
  readonly #outboxes = new Map<string, Outbox>();
  readonly #frozen = new Set<Outbox>();
  readonly #holders = new Set<RecordHolder>();
  readonly #times = new RecordTimes();
  #closedEntries = 0;
  readonly #groups = new Map<string, ShareGroup>();
  #tail: Stoppable | undefined;
  #isMissing = false;
  #positioned: { readonly seq: Seq; readonly message: Message } | undefined;
  #isRecovered = false;
  readonly #recovery = Promise.withResolvers<void>();
  #tailSeq: Seq = 0;

  constructor(options: RouterOptions) {
    this.tenant = options.tenant;
    this.tenantName = options.tenantName ?? options.tenant;
    this.settings = options.settings ?? defaultTenantSettings;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#counters = options.counters;
    this.#logger = options.logger;
    this.#topics = new TopicTable((levels) => this.#tree.versions.slotsFor(levels));
    this.histories = new Histories(options.historiesKv);
    this.positions = new PositionCodec(options.epoch);
    this.retainedView = new RetainedView(
      this.retained,
      options.retainedKv,
      (name) => this.topic(name),
      () => Math.min(options.maxRetainedMessages, this.settings.limits.retainedMessages ?? Infinity),
    );
  }

  /** The outboxes stand: until then no reader goes live, and nothing may be taken out of one outbox into another. */
  get isRecovered(): boolean {
    return this.#isRecovered;
  }

  /** Resolves when `isRecovered` is true. */
  get recovered(): Promise<void> {
    return this.#recovery.promise;
  }

  /** The last record that every live reader has been offered. */
  get tailSeq(): Seq {
    return this.#tailSeq;
  }

  /** The last record that is surely older than so many milliseconds. */
  seqBefore(ageMs: number): Seq {
    return this.seqBeforeTime(this.#clock.nowMs() - ageMs);
  }

  /** The last record that was surely published before that time. */
  seqBeforeTime(atMs: number): Seq {
    return this.#times.lastBefore(atMs);
  }

  /** The last number that the log has given to a record, durable or not yet. */
  get headSeq(): Seq {
    return this.#log.bounds(this.tenant, shard).head;
  }

  /** Of outboxes that are closed: records that nobody may wait for any longer. */
  get closedEntries(): number {
    return this.#closedEntries;
  }

  /** Forgets what nobody waits for any longer, step by step; returns about how many records are still named. */
  *trimWaiting(): Generator<void, number> {
    let count = 0;
    for (const outboxes of [this.#outboxes.values(), this.#frozen]) {
      for (const outbox of outboxes) {
        outbox.trim();
        count += outbox.end - outbox.start;
        yield;
      }
    }
    return count;
  }

  /**
   * Whatever some session or group still waits for, or has in flight, step by step. What moves meanwhile is not missed:
   * records leave outboxes for the rest and never come back, and the rest is looked at in one last step.
   */
  *collectNeeded(into: NeededRecords): Generator<void, void> {
    for (const outbox of this.#outboxes.values()) {
      outbox.trim();
      yield* outbox.collect(into);
      yield;
    }
    for (const outbox of this.#frozen) for (const _ of outbox.collect(into));
    for (const group of this.#groups.values()) group.collect(into);
    for (const holder of this.#holders) if (!holder.collect(into)) this.#holders.delete(holder);
  }

  /** It is asked, until it says that it has nothing any longer, which records it holds outside of outboxes. */
  addHolder(holder: RecordHolder): void {
    this.#holders.add(holder);
  }

  get groups(): Iterable<ShareGroup> {
    return this.#groups.values();
  }

  topic(name: string): Topic {
    return this.#topics.get(name);
  }

  recipientsOf(topic: Topic): RecipientSet {
    const changes = this.#changes;
    if (topic.checkedAt === changes && topic.recipients) return topic.recipients;
    const recipients = this.#currentRecipients(topic);
    topic.checkedAt = changes;
    topic.sole = recipients.sole;
    return recipients;
  }

  #currentRecipients(topic: Topic): RecipientSet {
    const stamp = this.#tree.versions.sum(topic.slots);
    if (topic.stamp === stamp && topic.recipients?.isCurrent) return topic.recipients;
    const found: Subscriber[] = [];
    this.#tree.match(topic.levels, found);
    topic.recipients = new RecipientSet(topic, found);
    this.#topics.recipientsAdded(topic.recipients.weight);
    topic.stamp = stamp;
    return topic.recipients;
  }

  /** Rises with whatever may change who gets what, anywhere. */
  get #changes(): number {
    return this.#tree.versions.changes + this.#memberChanges;
  }

  /** How a session gets messages of this topic as of now; undefined: not at all. */
  deliveryTo(recipient: Recipient, topicName: string): Delivery | undefined {
    return this.recipientsOf(this.topic(topicName)).of(recipient);
  }

  /**
   * Of QoS 1 and 2: some persistent session or a history waits for the message, or it is a retained one whose
   * acknowledgement means durable (semantics.md §2.1).
   */
  needsLog(message: Message): boolean {
    return message.qos > 0 && (message.retain || this.recipientsOf(message.topic as Topic).needsLog);
  }

  /** With who published it, where the tenant asks for that. */
  attributed(message: Message): Message {
    return this.settings.verifiedPublisher ? withVerifiedPublisher(message) : message;
  }

  hasRecipients(message: Message): boolean {
    return !this.recipientsOf(message.topic as Topic).isEmpty;
  }

  /** Delivers a message; resolves at once where nothing needs the log. For the rest see `append`. */
  async publish(message: Message): Promise<void> {
    if (message.qos === 0) this.deliverQos0(message);
    else if (this.needsLog(message)) await this.append(message);
    else this.deliver(message);
  }

  /** Delivers a message that does not need the log: everyone who gets it has it when this returns. */
  deliver(message: Message): void {
    if (message.retain) this.retainedView.put(message);
    this.#deliverDirectly(message, this.recipientsOf(message.topic as Topic), false);
  }

  /** QoS 0: nobody waits for the log, and where that does not take the message it is not in the history. */
  deliverQos0(message: Message): void {
    const topic = message.topic as Topic;
    const recipients = this.recipientsOf(topic);
    const { sole } = topic;
    if (sole !== undefined && !message.retain) sole.recipient.deliver(message, sole);
    else if (recipients.histories.length === 0) this.deliver(message);
    else this.append(message).catch((error: unknown) => this.#notLogged(message.topic, error));
  }

  /**
   * Delivers a message that needs the log: at once to whoever takes it directly, to the others when the log has it,
   * which is when the promise resolves. Rejects with EngineError where the log has not got it (or may not).
   */
  append(published: Message, how: AppendOptions = {}): Promise<AppendResult> {
    const recipients = this.recipientsOf(published.topic as Topic);
    const isVerified = recipients.histories.some(({ declaration }) => declaration.verifiedPublisher);
    const message = isVerified ? withVerifiedPublisher(published) : published;
    const staged = message.retain ? this.retainedView.stage(message) : undefined;
    if (!how.isLogOnly) this.#deliverDirectly(message, recipients, true);
    const record = toRecord(message, this.#clock.nowMs(), how.inbound);
    const appended = this.#log.append(this.tenant, record, how.id);
    if (staged)
      appended.then(staged.keep, (error: unknown) => (isUnknown(error) ? staged.keep() : staged.undo()));
    return appended;
  }

  lookup(id: string): Promise<AppendResult | undefined> {
    return this.#log.lookup(this.tenant, id);
  }

  async fetch(seqs: readonly Seq[]): Promise<{ seq: Seq; message: Message }[]> {
    const stored = await this.fetchRecords(seqs);
    return stored.map(({ seq, record }) => ({ seq, message: fromRecord(record, this.topic(record.topic)) }));
  }

  /** At most `limit` records, the oldest after a position; fewer where the end, or `to`, was reached. */
  async read(after: Seq, options: RecordsWanted): Promise<StoredRecord[]> {
    const { to, ...rest } = options;
    const found: StoredRecord[] = [];
    for await (const batch of this.#log.read(
      this.tenant,
      { [shard]: after },
      { ...rest, to: { [shard]: to } },
    ))
      found.push(...batch);
    return found;
  }

  /** By number, in the order asked for; what is gone is left out. */
  async fetchRecords(seqs: readonly Seq[]): Promise<readonly StoredRecord[]> {
    return this.#log.fetch(this.tenant, shard, seqs);
  }

  /** The message as those get it who ask for positions; one value for all of them. */
  positioned(message: Message, seq: Seq): Message {
    if (this.#positioned?.seq !== seq)
      this.#positioned = { seq, message: withPosition(message, this.positions.encode(seq)) };
    return this.#positioned.message;
  }

  /** Resolves in a later turn of the event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.soon(resolve));
  }

  // ---------------------------------------------------------------- histories

  /** The number above which the log has every message of these filters; undefined: no history promises that. */
  promisedFrom(granted: readonly GrantedFilter[]): Seq | undefined {
    let promised = 0;
    for (const { filter } of granted) {
      const history = this.histories.covering(splitLevels(filter));
      if (!history) return undefined;
      promised = Math.max(promised, history.completeFrom);
    }
    return promised;
  }

  /** From now on every message on its topics is appended. A history of the same name gives way. */
  declareHistory(name: string, declaration: HistoryDeclaration): void {
    const before = this.histories.get(name);
    const history = this.histories.declare(name, declaration, {
      head: this.headSeq,
      nowMs: this.#clock.nowMs(),
    });
    this.#tree.add(declaration.filter, history);
    if (before) this.#tree.remove(before.declaration.filter, before);
    if (this.#tail) this.#rebuildHistory(history);
  }

  withdrawHistory(name: string): void {
    const history = this.histories.get(name);
    if (!history) return;
    this.histories.withdraw(name);
    this.#tree.remove(history.declaration.filter, history);
  }

  /** Puts a connected session's subscription into the tree. */
  attach(subscription: Subscription): void {
    this.#memberChanges += 1;
    this.#audiences.join(subscription);
  }

  /** The counterpart. */
  detach(subscription: Subscription): void {
    this.#memberChanges += 1;
    this.#audiences.leave(subscription);
  }

  openOutbox(key: string): Outbox {
    let outbox = this.#outboxes.get(key);
    if (!outbox) {
      outbox = new Outbox(key);
      this.#outboxes.set(key, outbox);
      this.#tree.add(filterOfKey(key), outbox);
    }
    return outbox;
  }

  openFrozen(): Outbox {
    const outbox = new Outbox("");
    this.#frozen.add(outbox);
    return outbox;
  }

  closeOutbox(outbox: Outbox): void {
    this.#closedEntries += outbox.end - outbox.start;
    if (this.#frozen.delete(outbox)) return;
    this.#outboxes.delete(outbox.filter);
    this.#tree.remove(filterOfKey(outbox.filter), outbox);
  }

  /** The group of that key, made if there is none. */
  openGroup(key: string): ShareGroup {
    let group = this.#groups.get(key);
    if (!group) this.#groups.set(key, (group = new ShareGroup(key, this)));
    return group;
  }

  closeGroup(group: ShareGroup): void {
    if (group.isEmpty) this.#groups.delete(group.key);
  }

  addToTree(filter: string, group: ShareGroup): void {
    this.#tree.add(filter, group);
  }

  removeFromTree(filter: string, group: ShareGroup): void {
    this.#tree.remove(filter, group);
  }

  dropped(reason: DropReason, count: number): void {
    this.#counters.messagesDropped[reason] += count;
  }

  /** The log could not be read for a feed: `again` is called a second later. */
  feedFailed(error: unknown, again: () => void): void {
    this.#logger.warn(
      { tenant: this.tenant, error: String(error) },
      "the log could not be read; will try again",
    );
    this.#clock.after(feedRetryMs, again);
  }

  /** Reads what the log has after the saved retained view into that; `see` gets every record. The tail is its end then. */
  async recoverViews(see: (stored: StoredRecord) => void): Promise<void> {
    const after = this.retainedView.savedUpTo;
    for await (const batch of this.#log.read(this.tenant, { [shard]: after })) {
      for (const stored of batch) {
        const { seq, record } = stored;
        if (record.retain) this.retainedView.recover(fromRecord(record, this.topic(record.topic)), seq);
        this.#tailSeq = seq;
        see(stored);
      }
    }
  }

  /**
   * Reads what the log has after `after` into the outboxes, up to the tail as it is; `onBatch` is told how far it has come. A
   * log that cannot be read is tried again. Rejects with EngineError when the engine is closed.
   */
  async rebuildOutboxes(after: Seq, onBatch: (upTo: Seq) => void): Promise<void> {
    let last = after;
    while (last < this.#tailSeq) {
      try {
        for await (const batch of this.#log.read(
          this.tenant,
          { [shard]: last },
          { to: { [shard]: this.#tailSeq } },
        )) {
          for (const stored of batch) this.#noteRecovered(stored);
          last = batch.at(-1)?.seq ?? last;
          onBatch(last);
        }
        last = this.#tailSeq;
      } catch (error) {
        if (error instanceof EngineError && error.code === "closed") throw error;
        await new Promise<void>((resolve) => this.feedFailed(error, resolve));
      }
    }
  }

  /** From now on records flow from the log's tail; `see` gets every record. */
  startTail(see: (stored: StoredRecord) => void): void {
    this.#isRecovered = true;
    this.#recovery.resolve();
    this.#tail = this.#log.tail(this.tenant, { [shard]: this.#tailSeq }, (stored) => {
      this.#onRecord(stored);
      see(stored);
    });
    for (const history of this.histories.all) this.#rebuildHistory(history);
  }

  /** `atLeast` is a position that recovery found saved: the log may be empty behind it. */
  advanceTail(atLeast: Seq): void {
    if (atLeast > this.#tailSeq) this.#tailSeq = atLeast;
  }

  /** Lets the log forget what nobody needs below `before`: no session, no group, no history. */
  release(before: Seq, keep: NeededRecords): void {
    if (this.histories.isRebuilding) return;
    this.#log.release(this.tenant, shard, before, (seq) => keep.has(seq) || this.histories.need(seq));
  }

  stop(): void {
    this.#tail?.stop();
  }

  #deliverDirectly(message: Message, recipients: RecipientSet, isAppended: boolean): void {
    const { direct, logged, tracked, groups } = recipients;
    deliverTo(direct, message);
    if (message.qos === 0) deliverTo(logged, message);
    if (!isAppended) deliverTo(tracked, message);
    for (let index = 0; index < groups.length; index += 1) {
      const group = groups[index] as ShareGroup;
      if (message.qos === 0 || !group.isLogged) group.deliver(message);
    }
  }

  #onRecord(stored: StoredRecord): void {
    const { seq, record } = stored;
    const topic = this.topic(record.topic);
    const recipients = this.recipientsOf(topic);
    for (const history of recipients.histories) history.note(stored);
    if (record.qos > 0 || recipients.takesQos0FromLog)
      this.#deliverFromLog(fromRecord(record, topic), seq, recipients);
    this.#tailSeq = seq;
    this.#times.note(seq, record.publishedAtMs);
    if (record.retain) this.retainedView.settle(topic.name);
  }

  /** Whoever cannot take it now falls behind first; then the outboxes note it for all that are behind. */
  #deliverFromLog(message: Message, seq: Seq, recipients: RecipientSet): void {
    const { logged, tracked, groups, outboxes } = recipients;
    deliverLoggedTo(tracked, message, seq);
    if (message.qos > 0) {
      deliverLoggedTo(logged, message, seq);
      for (let index = 0; index < groups.length; index += 1)
        (groups[index] as ShareGroup).deliverLogged(message, seq);
    }
    const bytes = outboxes.length > 0 ? messageBytes(message) : 0;
    for (let index = 0; index < outboxes.length; index += 1) {
      const outbox = outboxes[index] as Outbox;
      if (message.qos > 0 || isTrackedKey(outbox.filter)) outbox.note(seq, bytes, message.topic.name);
    }
  }

  /** Reads what the log has of a history from before the tail began: until then nothing of it is let go. */
  #rebuildHistory(history: History, to: Seq = this.#tailSeq): void {
    void this.#readHistory(history, to).catch((error: unknown) => {
      if (!(error instanceof EngineError && error.code === "closed"))
        this.feedFailed(error, () => this.#rebuildHistory(history, to));
    });
  }

  async #readHistory(history: History, to: Seq): Promise<void> {
    const wanted = { filters: [history.declaration.filter], to: { [shard]: to } };
    for await (const batch of this.#log.read(this.tenant, { [shard]: history.recoveredUpTo }, wanted))
      for (const stored of batch) history.recover(stored);
    history.rebuilt();
  }

  /** A message of QoS 0 is in no log: histories of its topic do not promise any more what lies before. */
  #notLogged({ name }: TopicName, error: unknown): void {
    for (const history of this.recipientsOf(this.topic(name)).histories)
      history.missed(this.headSeq, this.#clock.nowMs());
    if (this.#isMissing) return;
    this.#isMissing = true;
    this.#clock.after(feedRetryMs, () => (this.#isMissing = false));
    this.#logger.warn(
      { tenant: this.tenant, error: String(error) },
      "messages of QoS 0 could not be logged for a history, which tells so in replays",
    );
  }

  #noteRecovered({ seq, record }: StoredRecord): void {
    const topic = this.topic(record.topic);
    for (const outbox of this.recipientsOf(topic).outboxes) {
      if (record.qos > 0 || isTrackedKey(outbox.filter)) outbox.note(seq, messageBytes(record), topic.name);
    }
    this.#times.note(seq, record.publishedAtMs);
  }
}

function deliverTo(lists: readonly DeliveryList[], message: Message): void {
  for (let list = 0; list < lists.length; list += 1) {
    const { members } = lists[list] as DeliveryList;
    const count = members.length;
    for (let index = 0; index < count; index += 1) {
      const delivery = members[index] as Delivery;
      delivery.recipient.deliver(message, delivery);
    }
  }
}

function deliverLoggedTo(lists: readonly DeliveryList[], message: Message, seq: Seq): void {
  for (let list = 0; list < lists.length; list += 1) {
    const { members } = lists[list] as DeliveryList;
    const count = members.length;
    for (let index = 0; index < count; index += 1) {
      const delivery = members[index] as Delivery;
      delivery.recipient.deliverLogged(message, seq, delivery);
    }
  }
}

/** Whether the log may have the record all the same. */
function isUnknown(error: unknown): boolean {
  return error instanceof EngineError && error.maybeApplied;
}
