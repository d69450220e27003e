import type { Qos } from "@weir/protocol";
import type { Seq } from "../ports/engine.ts";
import type { Message } from "../ports/message.ts";
import type { FeedSink, MessageSource } from "./log-feed.ts";
import { LogFeed } from "./log-feed.ts";
import { LogReader, type OutboxSource } from "./log-reader.ts";
import type { NeededRecords } from "./needed-records.ts";
import type { QueueBounds } from "./queue-bounds.ts";
import { sharedDelivery } from "./recipient-set.ts";
import type { SharedOrigin, Subscription } from "./subscription.ts";

/** What a share group needs of its router. */
export interface ShareGroupHome extends OutboxSource, MessageSource {
  addToTree(filter: string, group: ShareGroup): void;
  removeFromTree(filter: string, group: ShareGroup): void;
  /** Something of the group's was dropped. */
  dropped(reason: "queue-full" | "expired", count: number): void;
  feedFailed(error: unknown, again: () => void): void;
}

/**
 * Everything up to `takenUpTo` was given to members, and beyond it what is `ahead` since an earlier crash; of that,
 * `returned` came back and waits again.
 */
export interface GroupCursor {
  readonly takenUpTo: Seq;
  readonly ahead: readonly Seq[];
  readonly returned: readonly Seq[];
}

interface Returned {
  readonly message: Message;
  readonly seq: Seq | undefined;
}

const maxReturned = 10_000;

/**
 * One share group on one filter: each message goes to one member, in turn, among those that are connected, have room
 * and may read the topic. With a member whose session persists it reads the log with a cursor of its own, and messages
 * wait in the group while nobody can take them (semantics.md §2.8).
 */
export class ShareGroup implements FeedSink, SharedOrigin {
  readonly kind = "group";
  readonly key: string;
  readonly #home: ShareGroupHome;
  readonly #members: Subscription[] = [];
  /** How many members' grants put the group under a filter of the tree. */
  readonly #treeHolds = new Map<string, number>();
  #feed: LogFeed | undefined;
  #loggedMembers = 0;
  #turn = 0;
  #returned: Returned[] = [];
  /** Records that lie ahead of a recovered cursor, but were given to members before the crash. */
  readonly #ahead = new Set<Seq>();

  constructor(key: string, home: ShareGroupHome) {
    this.key = key;
    this.#home = home;
  }

  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  get isLogged(): boolean {
    return this.#feed !== undefined;
  }

  get waiting(): number {
    return this.#returned.length + (this.#feed?.reader.waiting ?? 0);
  }

  /** Adds a member; `after` (recovery) is where the group's cursor stood. */
  join(member: Subscription, after?: Seq): void {
    this.#members.push(member);
    for (const { filter } of member.granted) this.#holdTree(filter);
    if (holdsLog(member)) this.#loggedMembers += 1;
    if (this.#feed) for (const { filter } of member.granted) this.#feed.reader.hold(filter, after);
    else if (this.#loggedMembers > 0) this.#feed = this.#openFeed(after);
  }

  leave(member: Subscription): void {
    const index = this.#members.indexOf(member);
    if (index < 0) return;
    this.#members.splice(index, 1);
    for (const { filter } of member.granted) this.#releaseTree(filter);
    if (holdsLog(member)) this.#loggedMembers -= 1;
    if (this.#loggedMembers > 0) {
      for (const { filter } of member.granted) this.#feed?.reader.retire(filter);
      return;
    }
    this.#feed?.close();
    this.#feed = undefined;
  }

  /** Direct path: what does not go through the log. */
  deliver(message: Message): void {
    const member = this.#pick(message) ?? this.#pickConnected(message);
    if (member) this.#give(member, message, undefined);
  }

  /** Log path. */
  deliverLogged(message: Message, seq: Seq): void {
    this.#feed?.offer(message, seq);
  }

  /** What is saved of it. */
  cursor(): GroupCursor {
    const returned = this.#returned.map(({ seq }) => seq).filter((seq) => seq !== undefined);
    return { takenUpTo: this.#feed?.reader.position ?? 0, ahead: [...this.#ahead], returned };
  }

  /** Recovery: what members had given back when the broker ended, in the order of the log, and what had been given to them. */
  recover(
    returned: readonly { readonly seq: Seq; readonly message: Message }[],
    given: readonly Seq[],
  ): void {
    this.#returned.push(...returned);
    const { takenUpTo } = this.cursor();
    for (const seq of [...returned.map((one) => one.seq), ...given])
      if (seq > takenUpTo) this.#ahead.add(seq);
  }

  /** A member could not deliver it. */
  giveBack(message: Message, seq: Seq | undefined): void {
    if (this.#returned.length >= maxReturned) this.#home.dropped("queue-full", 1);
    else this.#returned.push({ message, seq });
    this.#redeliver();
  }

  /** A member may have room again, or has come. */
  pump(): void {
    this.#redeliver();
    this.#feed?.pump();
  }

  get room(): number {
    if (this.#returned.length > 0) return 0;
    return this.#members.some((member) => member.recipient.canTake(member.qos)) ? 256 : 0;
  }

  takeLogged(message: Message, seq: Seq): boolean {
    if (this.#ahead.size > 0 && this.#ahead.delete(seq)) return true;
    const readers = this.#members.filter((member) => mayRead(member, message));
    if (readers.length === 0) return true; // nobody may read it: not kept
    const member = this.#pick(message);
    if (!member) return false;
    this.#give(member, message, seq);
    return true;
  }

  lost(count: number): void {
    this.#home.dropped("queue-full", count);
  }

  feedFailed(error: unknown): void {
    this.#home.feedFailed(error, () => this.pump());
  }

  /** Keeps what waits within the bounds: the oldest go. */
  cut(bounds: QueueBounds): void {
    const cut = this.#feed?.reader.cut({ ...bounds, policy: "drop-oldest" });
    if (!cut) return;
    this.#home.dropped("expired", cut.old.messages);
    this.#home.dropped("queue-full", cut.excess.messages);
  }

  /** The log has to keep what a member gave back. */
  collect(into: NeededRecords): void {
    for (const { seq } of this.#returned) if (seq !== undefined) into.add(seq);
  }

  #openFeed(after: Seq | undefined): LogFeed {
    const feed = new LogFeed(new LogReader(this.#home, after ?? this.#home.tailSeq), this.#home, this);
    if (after === undefined) feed.reader.goLive();
    for (const member of this.#members)
      for (const { filter } of member.granted) feed.reader.hold(filter, after);
    return feed;
  }

  #give(member: Subscription, message: Message, seq: Seq | undefined): void {
    member.recipient.deliverShared(message, seq, sharedDelivery(member), this);
  }

  /** What came back goes first, in the order in which it came. */
  #redeliver(): void {
    const waiting = this.#returned;
    if (waiting.length === 0) return;
    this.#returned = [];
    for (const [index, { message, seq }] of waiting.entries()) {
      const member = this.#pick(message);
      if (member) {
        this.#give(member, message, seq);
      } else if (this.#members.some((candidate) => mayRead(candidate, message))) {
        this.#returned.push(...waiting.slice(index));
        return;
      }
    }
  }

  #pick(message: Message): Subscription | undefined {
    return this.#next(
      (member) => member.recipient.canTake(deliveredQos(member, message)) && mayRead(member, message),
    );
  }

  /** Where all are out of room, the next in turn queues it within its own bounds. */
  #pickConnected(message: Message): Subscription | undefined {
    return this.#next((member) => member.recipient.isConnected && mayRead(member, message));
  }

  #next(fits: (member: Subscription) => boolean): Subscription | undefined {
    const count = this.#members.length;
    for (let step = 0; step < count; step += 1) {
      const index = (this.#turn + step) % count;
      const member = this.#members[index] as Subscription;
      if (!fits(member)) continue;
      this.#turn = (index + 1) % count;
      return member;
    }
    return undefined;
  }

  #holdTree(filter: string): void {
    const holds = this.#treeHolds.get(filter) ?? 0;
    this.#treeHolds.set(filter, holds + 1);
    if (holds === 0) this.#home.addToTree(filter, this);
  }

  #releaseTree(filter: string): void {
    const holds = (this.#treeHolds.get(filter) ?? 0) - 1;
    if (holds > 0) {
      this.#treeHolds.set(filter, holds);
      return;
    }
    this.#treeHolds.delete(filter);
    this.#home.removeFromTree(filter, this);
  }
}

function holdsLog(member: Subscription): boolean {
  return member.recipient.isLogged && member.granted.some((granted) => granted.qos > 0);
}

function mayRead(member: Subscription, message: Message): boolean {
  return member.recipient.canRead(message.topic);
}

function deliveredQos(member: Subscription, message: Message): Qos {
  return Math.min(member.qos, message.qos) as Qos;
}
