import { WrongUse } from "../command-failure.ts";

type UserProperties = Record<string, string | string[]>;

export type PropertyPacket = "connect" | "publish" | "will" | "subscribe" | "unsubscribe" | "disconnect";

/** The properties of one packet, in the names of MQTT.js. */
export type PacketProperties = Record<string, number | boolean | string | Buffer | UserProperties>;

export type PropertyOptions = Partial<Record<PropertyPacket, PacketProperties>>;

type Kind = "number" | "flag" | "text" | "binary" | "pair";

interface PropertyRow {
  readonly key: string;
  readonly kind: Kind;
  readonly packets: readonly PropertyPacket[];
}

const row = (key: string, kind: Kind, ...packets: PropertyPacket[]): PropertyRow => ({ key, kind, packets });

const PROPERTIES: Readonly<Record<string, PropertyRow>> = {
  "payload-format-indicator": row("payloadFormatIndicator", "flag", "publish", "will"),
  "message-expiry-interval": row("messageExpiryInterval", "number", "publish", "will"),
  "content-type": row("contentType", "text", "publish", "will"),
  "response-topic": row("responseTopic", "text", "publish", "will"),
  "correlation-data": row("correlationData", "binary", "publish", "will"),
  "topic-alias": row("topicAlias", "number", "publish"),
  "will-delay-interval": row("willDelayInterval", "number", "will"),
  "session-expiry-interval": row("sessionExpiryInterval", "number", "connect", "disconnect"),
  "receive-maximum": row("receiveMaximum", "number", "connect"),
  "maximum-packet-size": row("maximumPacketSize", "number", "connect"),
  "topic-alias-maximum": row("topicAliasMaximum", "number", "connect"),
  "request-response-information": row("requestResponseInformation", "flag", "connect"),
  "request-problem-information": row("requestProblemInformation", "flag", "connect"),
  "subscription-identifier": row("subscriptionIdentifier", "number", "subscribe"),
  "reason-string": row("reasonString", "text", "disconnect"),
  "user-property": row(
    "userProperties",
    "pair",
    "connect",
    "publish",
    "will",
    "subscribe",
    "unsubscribe",
    "disconnect",
  ),
};

const PACKETS: readonly PropertyPacket[] = [
  "connect",
  "publish",
  "will",
  "subscribe",
  "unsubscribe",
  "disconnect",
];

/**
 * Takes the `-D packet property value` groups out of the arguments; a user property has two values. Done before the
 * options are parsed, since no parser of options knows of groups whose length depends on their content.
 *
 * @throws {WrongUse} naming the group
 * @example extractProperties(["-D", "publish", "user-property", "k", "v", "-m", "x"])
 */
export function extractProperties(argv: readonly string[]): {
  readonly rest: string[];
  readonly properties: PropertyOptions;
} {
  const rest: string[] = [];
  const properties: PropertyOptions = {};
  for (let i = 0; i < argv.length;) {
    const argument = argv[i] ?? "";
    if (argument !== "-D" && argument !== "--property") {
      rest.push(argument);
      i++;
      continue;
    }
    const [packet = "", name = "", ...values] = argv.slice(i + 1, i + 5);
    const found = findProperty(packet, name);
    const length = found.row.kind === "pair" ? 2 : 1;
    if (values.length < length)
      throw new WrongUse(`-D ${packet} ${name} needs ${length === 2 ? "a name and a value" : "a value"}.`);
    addProperty((properties[found.packet] ??= {}), found.row, values);
    i += 3 + length;
  }
  return { rest, properties };
}

function findProperty(
  packet: string,
  name: string,
): { readonly packet: PropertyPacket; readonly row: PropertyRow } {
  const known = PACKETS.find((one) => one === packet);
  if (!known) throw new WrongUse(`-D ${packet} names no packet; possible are ${PACKETS.join(", ")}.`);
  const property = PROPERTIES[name];
  if (property?.packets.includes(known)) return { packet: known, row: property };
  const possible = Object.keys(PROPERTIES).filter((one) => PROPERTIES[one]?.packets.includes(known));
  throw new WrongUse(`-D ${packet} has no property "${name}"; possible are ${possible.join(", ")}.`);
}

function addProperty(
  properties: PacketProperties,
  { key, kind }: PropertyRow,
  values: readonly string[],
): void {
  const [value = "", second = ""] = values;
  if (kind !== "pair") {
    properties[key] = parseValue(key, kind, value);
    return;
  }
  const pairs = (properties[key] ??= {}) as Record<string, string | string[]>;
  const before = pairs[value];
  pairs[value] = before === undefined ? second : [before, second].flat();
}

function parseValue(
  key: string,
  kind: Exclude<Kind, "pair">,
  value: string,
): number | boolean | string | Buffer {
  if (kind === "text") return value;
  if (kind === "binary") return Buffer.from(value);
  if (!/^\d+$/.test(value)) throw new WrongUse(`-D … ${key} is "${value}"; it must be a whole number.`);
  return kind === "flag" ? value !== "0" : Number(value);
}
