import type { Qos, RetainHandling } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import type { Seq } from "../ports/engine.ts";
import type { Message, TopicName } from "../ports/message.ts";
import type { Audience } from "./audience.ts";
import type { Delivery } from "./delivery.ts";

/** Who takes messages from the router: a session, seen from here. */
export interface Recipient {
  /** The session's key: equal to `Publisher.sessionKey` of what it publishes. */
  readonly key: string;
  /** True: messages of QoS 1 and 2 reach it through the log. */
  readonly isLogged: boolean;
  readonly isConnected: boolean;
  /** Connected, and with room for one more message of that QoS now. */
  canTake(qos: Qos): boolean;
  /** May it read this topic as of now? */
  canRead(topic: TopicName): boolean;
  /** Direct path. */
  deliver(message: Message, delivery: Delivery): void;
  /** Log path, in the order of the log. */
  deliverLogged(message: Message, seq: Seq, delivery: Delivery): void;
  /** As a member of a share group that has chosen it; `seq` where the message came by the log. */
  deliverShared(message: Message, seq: Seq | undefined, delivery: Delivery, origin: SharedOrigin): void;
}

/** Where a shared message came from: the group that takes it back from a member that could not deliver it (semantics.md §2.8). */
export interface SharedOrigin {
  readonly key: string;
  giveBack(message: Message, seq: Seq | undefined): void;
}

/** One of the filters that a subscription was narrowed to, with the QoS that the policy leaves it. */
export interface GrantedFilter {
  readonly filter: string;
  readonly qos: Qos;
}

/**
 * What a subscription asks of the log: to begin with what was published earlier, to know the positions of messages, or
 * both. It takes by the log whatever the log has, at every QoS (semantics.md §2.10).
 */
export interface Tracking {
  /** Where its replay was to begin, as its client has said it. */
  readonly since: string | undefined;
  /** Messages carry their position. */
  readonly hasPosition: boolean;
  /** The replay begins after this record. */
  readonly after: Seq;
  /** And with what was published then; milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Until the replay has come to the log's end, the subscription is no part of any delivery. */
  readonly isReplaying: boolean;
  /** Deliveries of messages that have a higher number have it as a part. */
  readonly mergedFrom: Seq;
}

/** A subscription of one session, as requested and as granted. */
export interface Subscription {
  readonly recipient: Recipient;
  /** As requested: replacement and UNSUBSCRIBE go by it. With `$share/…` where shared. */
  readonly topicFilter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: RetainHandling;
  readonly identifier: number | undefined;
  /** Empty: the subscription sleeps until the policy allows some of it again. */
  readonly granted: readonly GrantedFilter[];
  /** Must be asked at each delivery: a deny entry overlaps, or there were too many filters. */
  readonly checkedBy: Policy | undefined;
  /** Where it is while its session is connected; the router's own. */
  audiences?: readonly Audience[] | undefined;
  /** Records up to this number were published before the subscription was made. */
  readonly from: Seq;
  readonly tracking?: Tracking | undefined;
}
