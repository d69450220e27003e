import Type, { type TSchema } from "typebox";
import { queuePolicies } from "../core/access/principal-limits.ts";
import { defaultLimits, overRates } from "../core/session/limits.ts";

/** One key of the configuration: where it stands, what it takes, and what it is when nobody says anything. */
export interface Setting {
  /** For example `mqtt.maxPacketBytes`. */
  readonly path: string;
  readonly schema: TSchema;
  /** Undefined: off, or nothing. */
  readonly fallback: unknown;
  /** What it is for, in a few words: shown by `weir check-config --keys`. */
  readonly about: string;
}

/** What `engine` is when nobody says anything. */
const DEFAULT_ENGINE = "embedded";
const MAX_UINT32 = 4_294_967_295;
const MAX_CONFIGURABLE_PACKET_BYTES = 256 * 1_048_576;
const LOOPBACK = "127.0.0.1";

const port = Type.Integer({ minimum: 0, maximum: 65_535 });
const text = Type.String({ minLength: 1 });
const texts = Type.Array(text);
const anything = Type.Array(Type.Unknown());
const oneOf = (values: readonly string[]): TSchema => Type.String({ enum: values });
const whole = (minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): TSchema =>
  Type.Integer({ minimum, maximum });

const setting = (path: string, schema: TSchema, fallback: unknown, about: string): Setting => ({
  path,
  schema,
  fallback,
  about,
});

/** Every key there is, in the order in which people read them. */
export const settings: readonly Setting[] = [
  setting("mqtt.host", text, LOOPBACK, "address that MQTT listens on"),
  setting("mqtt.port", port, 1883, "MQTT over TCP; 0 for any free port"),
  setting("mqtt.tls.port", port, 8883, "MQTT over TLS, once mqtt.tls.cert is given"),
  setting("mqtt.tls.cert", text, undefined, "certificate chain, a PEM file"),
  setting("mqtt.tls.key", text, undefined, "its private key, a PEM file"),
  setting(
    "mqtt.tls.clientCa",
    text,
    undefined,
    "authorities whose client certificates are accepted, a PEM file",
  ),
  setting(
    "mqtt.maxPacketBytes",
    whole(1_024, MAX_CONFIGURABLE_PACKET_BYTES),
    defaultLimits.maxPacketBytes,
    "largest packet",
  ),
  setting(
    "mqtt.receiveMaximum",
    whole(1, 65_535),
    defaultLimits.receiveMaximum,
    "QoS 1 and 2 messages in flight from one client",
  ),
  setting(
    "mqtt.topicAliasMaximum",
    whole(0, 65_535),
    defaultLimits.topicAliasMaximum,
    "topic aliases a client may use",
  ),
  setting(
    "mqtt.maxKeepAliveS",
    whole(1, 65_535),
    defaultLimits.maxKeepAliveS,
    "longest keep alive, in seconds",
  ),
  setting("mqtt.proxyProtocol", texts, [], "proxies that send a PROXY header, as addresses or networks"),
  setting("http.host", text, LOOPBACK, "address that REST and WebSocket listen on"),
  setting("http.port", port, 8080, "REST, and MQTT over WebSocket at /mqtt; 0 for any free port"),
  setting(
    "http.tls.cert",
    text,
    undefined,
    "certificate chain, a PEM file: HTTPS and WSS instead of HTTP and WS",
  ),
  setting("http.tls.key", text, undefined, "its private key, a PEM file"),
  setting(
    "http.trustedProxies",
    texts,
    [],
    "proxies whose X-Forwarded-For is believed, as addresses or networks",
  ),
  setting("http.cors", texts, [], "origins whose pages may call REST; * for all"),
  setting("data", text, "./weir-data", "data directory"),
  setting("engine", oneOf(["memory", "embedded", "nats"]), DEFAULT_ENGINE, "where durable state lives"),
  setting(
    "anonymous.allow",
    oneOf(["nobody", "loopback", "everywhere"]),
    "nobody",
    "MQTT clients without a credential (--allow-anonymous)",
  ),
  setting("anonymous.acl", anything, undefined, "what they may do; everything when left out"),
  setting("histories", anything, [], "topics that are always logged"),
  setting("limits.maxConnections", whole(1), defaultLimits.maxConnections, "connections at a time"),
  setting("limits.maxTopicBytes", whole(1, 65_535), defaultLimits.maxTopicBytes, "bytes of a topic"),
  setting("limits.maxTopicLevels", whole(1, 65_535), defaultLimits.maxTopicLevels, "levels of a topic"),
  setting("limits.maxSubscriptions", whole(1), defaultLimits.maxSubscriptions, "subscriptions of a session"),
  setting(
    "limits.maxSessionExpiryS",
    whole(0, MAX_UINT32),
    defaultLimits.maxSessionExpiryS,
    "longest session expiry, in seconds",
  ),
  setting(
    "limits.queuedMessages",
    whole(1),
    defaultLimits.queuedMessages,
    "messages waiting for a persistent session",
  ),
  setting(
    "limits.queuedBytes",
    whole(1),
    defaultLimits.queuedBytes,
    "bytes waiting for a persistent session",
  ),
  setting(
    "limits.queuedAgeS",
    whole(1),
    defaultLimits.queuedAgeS,
    "seconds that a message may wait for a session",
  ),
  setting(
    "limits.queuePolicy",
    oneOf(queuePolicies),
    defaultLimits.queuePolicy,
    "what becomes of a session's queue at its bounds",
  ),
  setting(
    "limits.overRate",
    oneOf(overRates),
    defaultLimits.overRate,
    "what becomes of a publish beyond its token's, group's or tenant's rate",
  ),
  setting(
    "limits.maxSessions",
    whole(1),
    defaultLimits.maxSessions,
    "sessions that outlive their connections",
  ),
  setting(
    "limits.maxRetainedMessages",
    whole(0),
    defaultLimits.maxRetainedMessages,
    "retained messages of a tenant",
  ),
  setting(
    "limits.directQueuedMessages",
    whole(1),
    defaultLimits.directQueuedMessages,
    "messages waiting for any other session",
  ),
  setting(
    "limits.directQueuedBytes",
    whole(1),
    defaultLimits.directQueuedBytes,
    "bytes waiting for any other session",
  ),
  setting("limits.maxBufferBytes", whole(1_024), 1_048_576, "bytes waiting to be written to one connection"),
  setting("limits.connectTimeoutS", whole(1, 3_600), 5, "seconds from the connection to its CONNECT"),
  setting("limits.maxHandshakes", whole(1), 10_000, "connections whose CONNECT has not come"),
  setting("limits.maxHandshakeBytes", whole(1_024), 64 * 1_048_576, "bytes that all of those may have sent"),
  setting("limits.maxConnectBytes", whole(1_024), 131_072, "bytes of a CONNECT"),
  setting("limits.connectRate", whole(1), 20_000, "CONNECTs a second; the rest waits"),
  setting("limits.connectQueue", whole(1), 20_000, "CONNECTs that wait; beyond it 0x9F"),
  setting(
    "limits.tlsHandshakeRate",
    whole(1),
    500,
    "TLS handshakes a second on mqtt.tls.port; the rest waits",
  ),
  setting("limits.maxHttpConnections", whole(1), 10_000, "HTTP connections that are no WebSockets"),
  setting("limits.httpRequestRate", whole(1), 5_000, "REST requests of one credential a second"),
  setting("limits.auditEntries", whole(1, 1_000_000), 10_000, "changes that a tenant's audit log keeps"),
  setting("limits.loginFailures", whole(0), 10, "failed logins of one address a minute before it is slowed"),
  setting("limits.maxTickets", whole(1), 10_000, "one-time tickets for WebSockets that are not used yet"),
  setting("limits.maxUserProperties", whole(0), 1_000, "user properties of a packet"),
  setting(
    "limits.maxSubscriptionLevels",
    whole(1),
    defaultLimits.maxSubscriptionLevels,
    "levels of all filters of a session together",
  ),
  setting(
    "limits.inFlightBytes",
    whole(1_024),
    defaultLimits.inFlightBytes,
    "unacknowledged bytes on their way to one client",
  ),
  setting(
    "limits.diskReserveBytes",
    whole(1_048_576),
    256 * 1_048_576,
    "free bytes of the disk that only what makes room may use",
  ),
  setting(
    "limits.logSegmentBytes",
    whole(65_536, 1_073_741_824),
    64 * 1_048_576,
    "bytes of a file of the message log",
  ),
  setting("limits.logFloorS", whole(0), 15 * 60, "seconds that the message log keeps what nobody needs"),
  setting("limits.logFloorBytes", whole(0), 1_073_741_824, "bytes that it keeps of that at most"),
  setting(
    "limits.tellsNoMatchingSubscribers",
    Type.Boolean(),
    defaultLimits.tellsNoMatchingSubscribers,
    "say 0x10 where nobody is subscribed: it tells who listens",
  ),
  setting("log.level", oneOf(["debug", "info", "warn", "error", "silent"]), "info", "what is logged"),
];

/** The environment variable of a key: `mqtt.maxPacketBytes` is `WEIR_MQTT_MAX_PACKET_BYTES`. */
export function environmentName(path: string): string {
  return `WEIR_${path
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll(".", "_")
    .toUpperCase()}`;
}

/** What a key takes, in words: "a whole number from 0 to 65535". */
export function describeExpected(schema: TSchema): string {
  const shape = schema as {
    type?: string;
    minimum?: number;
    maximum?: number;
    enum?: readonly string[];
    items?: TSchema;
  };
  if (shape.enum) return `one of ${shape.enum.join(", ")}`;
  if (shape.type === "boolean") return "true or false";
  if (shape.type === "integer")
    return describeRange(shape.minimum ?? 0, shape.maximum ?? Number.MAX_SAFE_INTEGER);
  if (shape.type === "array")
    return (shape.items as { type?: string }).type === "string" ? "a list of texts" : "a list";
  return "a text";
}

function describeRange(minimum: number, maximum: number): string {
  if (maximum === Number.MAX_SAFE_INTEGER) return `a whole number, ${minimum} or more`;
  return `a whole number from ${minimum} to ${maximum}`;
}
