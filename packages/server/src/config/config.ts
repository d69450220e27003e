import type { HistoryDeclaration } from "../core/history/history-declaration.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import type { QueuePolicy } from "../core/access/principal-limits.ts";
import type { OverRate } from "../core/session/limits.ts";

/** What the broker is told at its start: file, environment and flags, merged and checked (`loadConfig`). */
export interface Config {
  readonly mqtt: MqttConfig;
  readonly http: HttpConfig;
  /** The data directory; one process at a time. */
  readonly data: string;
  readonly engine: EngineKind;
  readonly anonymous: AnonymousConfig;
  /** Topics that are always logged, by name. */
  readonly histories: ReadonlyMap<string, HistoryDeclaration>;
  readonly limits: LimitsConfig;
  readonly log: { readonly level: LogLevel };
}

/** Only what exists: `embedded` and `nats` are refused by name until they do. */
export type EngineKind = "memory" | "embedded";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface MqttConfig {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Present when a certificate is given: MQTT over TLS on a port of its own, besides plain TCP. */
  readonly tls?: {
    readonly port: number;
    readonly cert: string;
    readonly key: string;
    readonly clientCa?: string;
  };
  readonly maxPacketBytes: number;
  readonly receiveMaximum: number;
  readonly topicAliasMaximum: number;
  readonly maxKeepAliveS: number;
  /** Addresses and networks whose connections must begin with a PROXY header, v1 or v2. */
  readonly proxyProtocol: readonly string[];
}

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** Present when a certificate is given: the HTTP port then speaks HTTPS and WSS only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Addresses and networks whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** Origins whose pages may call REST. */
  readonly cors: readonly string[];
}

export interface AnonymousConfig {
  /** Whose MQTT connections are let in without a valid credential. REST never is. */
  readonly allow: "nobody" | "loopback" | "everywhere";
  /** What they may do; everything where it is absent. */
  readonly acl?: readonly PolicyEntry[];
}

export interface LimitsConfig {
  readonly maxConnections: number;
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
  readonly maxSubscriptions: number;
  readonly maxSessionExpiryS: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly queuedAgeS: number;
  readonly queuePolicy: QueuePolicy;
  /** What becomes of publishes beyond the rate of a token, group or tenant. */
  readonly overRate: OverRate;
  readonly maxSessions: number;
  readonly maxRetainedMessages: number;
  readonly directQueuedMessages: number;
  readonly directQueuedBytes: number;
  readonly tellsNoMatchingSubscribers: boolean;
  /** What waits to be written to one connection, before QoS 0 to it is dropped. */
  readonly maxBufferBytes: number;
  /** From the accepted connection to a complete CONNECT. */
  readonly connectTimeoutS: number;
  /** Connections whose CONNECT has not come whole; beyond it the oldest of them are cut. */
  readonly maxHandshakes: number;
  /** What all of those together may have sent. */
  readonly maxHandshakeBytes: number;
  readonly maxConnectBytes: number;
  /** CONNECTs a second; the rest waits in a line. */
  readonly connectRate: number;
  /** CONNECTs in that line; those beyond it are refused with 0x9F. */
  readonly connectQueue: number;
  /** TLS handshakes a second, on the MQTT port; the rest waits before its handshake. */
  readonly tlsHandshakeRate: number;
  /** HTTP connections that have not become WebSockets. */
  readonly maxHttpConnections: number;
  readonly httpRequestRate: number;
  readonly auditEntries: number;
  /** One-time tickets that have not been used yet. */
  readonly loginFailures: number;
  readonly maxTickets: number;
  /** User properties of one packet. */
  readonly maxUserProperties: number;
  /** Levels of all the filters of a session together. */
  readonly maxSubscriptionLevels: number;
  /** Sent to one client at QoS 1 and 2, and not acknowledged. */
  readonly inFlightBytes: number;
  /** Less free than this is "disk full": the rest is for what makes room. */
  readonly diskReserveBytes: number;
  /** A file of the message log that has grown beyond it is followed by a new one. */
  readonly logSegmentBytes: number;
  /** What nobody needs stays in the log for so long, */
  readonly logFloorS: number;
  /** but for what goes beyond so many bytes. */
  readonly logFloorBytes: number;
}

/** The configuration cannot be used. Each problem names the key, the value and the remedy; the message is all of them. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}
