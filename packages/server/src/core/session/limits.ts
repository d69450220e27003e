import type { QueuePolicy } from "../access/principal-limits.ts";

/**
 * What becomes of a publish beyond its rate: the connection is read no further for a while; the message is refused (0x97;
 * at QoS 0 dropped); or the connection ends (0x96).
 */
export const overRates = ["back-pressure", "refuse", "disconnect"] as const;

export type OverRate = (typeof overRates)[number];

/** The named bounds of the core (product.md, "Delivery"). Where a token sets its own, the lower one counts. */
export interface Limits {
  readonly maxConnections: number;
  readonly maxPacketBytes: number;
  readonly receiveMaximum: number;
  readonly topicAliasMaximum: number;
  /** Seconds. */
  readonly maxKeepAliveS: number;
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
  readonly maxSubscriptions: number;
  /** Levels of all filters of a session together: what a filter costs in memory, and in time for each new topic. */
  readonly maxSubscriptionLevels: number;
  /** Seconds; also what a 3.1.1 session with Clean Session 0 gets. */
  readonly maxSessionExpiryS: number;
  /** What waits in the log for one session. */
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** Seconds. */
  readonly queuedAgeS: number;
  /** What becomes of a session's queue at its bounds. */
  readonly queuePolicy: QueuePolicy;
  readonly overRate: OverRate;
  /** Sessions that outlive their connections. */
  readonly maxSessions: number;
  /** Of a tenant. */
  readonly maxRetainedMessages: number;
  /** What waits in memory for one connected session that does not persist. */
  readonly directQueuedMessages: number;
  readonly directQueuedBytes: number;
  /** What was sent to one client at QoS 1 and 2 and not acknowledged: messages beyond it wait. */
  readonly inFlightBytes: number;
  /** Whether PUBACK and PUBREC say 0x10 where nobody is subscribed: it tells who listens (semantics.md §1.15). */
  readonly tellsNoMatchingSubscribers: boolean;
}

export const defaultLimits: Limits = {
  maxConnections: 100_000,
  maxPacketBytes: 1_048_576,
  receiveMaximum: 1_024,
  topicAliasMaximum: 64,
  maxKeepAliveS: 600,
  maxTopicBytes: 1_024,
  maxTopicLevels: 128,
  maxSubscriptions: 10_000,
  maxSubscriptionLevels: 100_000,
  maxSessionExpiryS: 7 * 86_400,
  queuedMessages: 10_000_000,
  queuedBytes: 4 * 1_073_741_824,
  queuedAgeS: 7 * 86_400,
  queuePolicy: "drop-oldest",
  overRate: "back-pressure",
  maxSessions: 1_000_000,
  maxRetainedMessages: 1_000_000,
  directQueuedMessages: 10_000,
  directQueuedBytes: 16 * 1_048_576,
  inFlightBytes: 16 * 1_048_576,
  tellsNoMatchingSubscribers: false,
};
