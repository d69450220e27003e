import type { Qos } from "@weir/protocol";

export type DropReason = "queue-full" | "expired" | "acl" | "slow" | "too-large" | "replay-truncated";

/** What is bounded, by its key in the configuration: each time a bound refuses, drops, cuts or holds up is counted. */
export const limitNames = [
  "limits.maxConnections",
  "limits.maxHandshakes",
  "limits.maxHandshakeBytes",
  "limits.maxConnectBytes",
  "limits.connectTimeoutS",
  "limits.connectRate",
  "limits.tlsHandshakeRate",
  "limits.maxHttpConnections",
  "limits.httpRequestRate",
  "limits.loginFailures",
  "limits.maxTickets",
  "limits.maxBufferBytes",
  "limits.maxUserProperties",
  "limits.maxTopicBytes",
  "limits.maxTopicLevels",
  "limits.maxSubscriptions",
  "limits.maxSubscriptionLevels",
  "limits.inFlightBytes",
  "limits.directQueuedMessages",
  "limits.directQueuedBytes",
  "limits.queuedMessages",
  "limits.queuedBytes",
  "limits.queuedAgeS",
  "limits.maxSessions",
  "limits.sessions",
  "limits.connections",
  "limits.publishRate",
  "limits.publishBytesRate",
  "limits.subscriptions",
  "limits.maxRetainedMessages",
  "limits.diskReserveBytes",
  "mqtt.maxPacketBytes",
  "mqtt.receiveMaximum",
  "mqtt.topicAliasMaximum",
  "mqtt.maxKeepAliveS",
] as const;

export type LimitName = (typeof limitNames)[number];

/** Plain numbers that the hot path adds to; whoever exposes them reads them at its leisure. */
export interface Counters {
  readonly messagesReceived: Record<Qos, number>;
  readonly messagesSent: Record<Qos, number>;
  readonly messagesDropped: Record<DropReason, number>;
  readonly authFailures: Record<string, number>;
  readonly limitReached: Record<LimitName, number>;
  publishDenied: number;
  subscribeDenied: number;
  bytesReceived: number;
  bytesSent: number;
  connectionsTotal: number;
  connectionsRefused: number;
  /** Sessions whose time without a connection was over. */
  sessionsExpired: number;
}

/** What all of them have counted together, as of now. */
export function sumCounters(all: Iterable<Counters>): Counters {
  const sum = createCounters();
  for (const counters of all) addTo(sum as unknown as Counts, counters as unknown as Counts);
  return sum;
}

interface Counts {
  [name: string]: number | Record<string, number>;
}

function addTo(sum: Counts, counts: Counts): void {
  for (const [name, count] of Object.entries(counts)) {
    if (typeof count === "number") sum[name] = ((sum[name] as number | undefined) ?? 0) + count;
    else addTo(sum[name] as Counts, count);
  }
}

export function createCounters(): Counters {
  return {
    messagesReceived: { 0: 0, 1: 0, 2: 0 },
    messagesSent: { 0: 0, 1: 0, 2: 0 },
    messagesDropped: { "queue-full": 0, expired: 0, acl: 0, slow: 0, "too-large": 0, "replay-truncated": 0 },
    authFailures: {},
    limitReached: Object.fromEntries(limitNames.map((name) => [name, 0])) as Record<LimitName, number>,
    publishDenied: 0,
    subscribeDenied: 0,
    bytesReceived: 0,
    bytesSent: 0,
    connectionsTotal: 0,
    connectionsRefused: 0,
    sessionsExpired: 0,
  };
}

/** Structured events of the core. Fields never hold a payload, a credential or a key. */
export interface Logger {
  debug(fields: Readonly<Record<string, unknown>>, text: string): void;
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}
