import type { IPublishPacket } from "mqtt";
import { WrongUse } from "../command-failure.ts";

/** Turns a received message into what is printed for it. */
export type MessageFormat = (packet: IPublishPacket, receivedAt: Date) => Buffer;

type Piece = (packet: IPublishPacket, receivedAt: Date) => string | Buffer;

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  "0": "\0",
  a: "\u0007",
  e: "\u001b",
  "\\": "\\",
};

/** What each letter after a percent sign prints, in the words of the help. */
export const FORMAT_HELP = `  %t topic            %p payload          %x %X payload in hex   %l payload bytes
  %q QoS              %r retained (0, 1)   %m packet id           %d duplicate (0, 1)
  %I time, ISO 8601   %U time, Unix        %j JSON, payload text  %J JSON, payload as JSON
  %C content type     %R response topic    %D correlation data    %E message expiry
  %P user properties  %S subscription ids  %F payload format      %A topic alias
  %% a percent sign; \\n \\t \\r \\0 \\e \\a; a width pads: %-20t, %08l`;

const PIECES: Readonly<Record<string, Piece>> = {
  t: (packet) => packet.topic,
  p: (packet) => payloadOf(packet),
  x: (packet) => payloadOf(packet).toString("hex"),
  X: (packet) => payloadOf(packet).toString("hex").toUpperCase(),
  l: (packet) => String(payloadOf(packet).length),
  q: (packet) => String(packet.qos),
  r: (packet) => (packet.retain ? "1" : "0"),
  d: (packet) => (packet.dup ? "1" : "0"),
  m: (packet) => String(packet.messageId ?? 0),
  I: (_, receivedAt) => receivedAt.toISOString(),
  U: (_, receivedAt) => (receivedAt.getTime() / 1000).toFixed(3),
  j: (packet, receivedAt) => jsonOf(packet, receivedAt, "text"),
  J: (packet, receivedAt) => jsonOf(packet, receivedAt, "json"),
  A: (packet) => String(packet.properties?.topicAlias ?? ""),
  C: (packet) => packet.properties?.contentType ?? "",
  D: (packet) => packet.properties?.correlationData ?? "",
  E: (packet) => String(packet.properties?.messageExpiryInterval ?? ""),
  F: (packet) => (packet.properties?.payloadFormatIndicator ? "1" : ""),
  P: (packet) =>
    userPropertiesOf(packet)
      .map(([name, value]) => `${name}:${value}`)
      .join(" "),
  R: (packet) => packet.properties?.responseTopic ?? "",
  S: (packet) => [packet.properties?.subscriptionIdentifier ?? []].flat().join(" "),
};

/**
 * Compiles a format as of `mosquitto_sub -F`.
 *
 * @throws {WrongUse} for a letter that means nothing
 * @example compileFormat("%t %p") // "data/alice/4720 {…}"
 */
export function compileFormat(format: string): MessageFormat {
  const pieces: Piece[] = [];
  for (const [part] of format.matchAll(/%[-0]*\d*.|\\.|[^%\\]+|[%\\]/gs)) pieces.push(compilePart(part));
  return (packet, receivedAt) => Buffer.concat(pieces.map((piece) => toBuffer(piece(packet, receivedAt))));
}

function compilePart(part: string): Piece {
  if (part.startsWith("\\")) {
    const escaped = ESCAPES[part[1] ?? ""];
    if (escaped === undefined)
      throw new WrongUse(
        `The format holds "${part}", which is no escape; possible are \\n \\t \\r \\0 \\a \\e \\\\.`,
      );
    return () => escaped;
  }
  if (!part.startsWith("%")) return () => part;
  if (part === "%%") return () => "%";
  const [, flags = "", width = "", letter = ""] = /^%([-0]*)(\d*)(.?)$/s.exec(part) ?? [];
  const piece = PIECES[letter];
  if (!piece)
    throw new WrongUse(`The format holds "${part}", which means nothing. Possible are:\n${FORMAT_HELP}`);
  return width === "" ? piece : padded(piece, Number(width), flags);
}

function padded(piece: Piece, width: number, flags: string): Piece {
  return (packet, receivedAt) => {
    const text = piece(packet, receivedAt).toString();
    if (flags.includes("-")) return text.padEnd(width);
    return text.padStart(width, flags.includes("0") ? "0" : " ");
  };
}

function toBuffer(piece: string | Buffer): Buffer {
  return typeof piece === "string" ? Buffer.from(piece) : piece;
}

function payloadOf(packet: IPublishPacket): Buffer {
  return typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
}

function userPropertiesOf(packet: IPublishPacket): [string, string][] {
  const properties = Object.entries(packet.properties?.userProperties ?? {});
  return properties.flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  );
}

/** One line a message, as mosquitto's: a payload that is no text stands as `payloadBase64`. */
function jsonOf(packet: IPublishPacket, receivedAt: Date, payloadAs: "text" | "json"): string {
  const payload = payloadOf(packet);
  return JSON.stringify({
    tst: receivedAt.toISOString(),
    topic: packet.topic,
    qos: packet.qos,
    retain: packet.retain ? 1 : 0,
    payloadlen: payload.length,
    ...(packet.qos > 0 && { mid: packet.messageId }),
    ...jsonProperties(packet),
    ...jsonPayload(payload, payloadAs),
  });
}

function jsonPayload(payload: Buffer, payloadAs: "text" | "json"): Record<string, unknown> {
  const text = payload.toString();
  if (!Buffer.from(text).equals(payload)) return { payloadBase64: payload.toString("base64") };
  if (payloadAs === "text") return { payload: text };
  try {
    return { payload: JSON.parse(text) as unknown };
  } catch {
    return { payload: text };
  }
}

function jsonProperties(packet: IPublishPacket): Record<string, unknown> {
  const { properties } = packet;
  if (!properties) return {};
  const shown = {
    "payload-format-indicator":
      properties.payloadFormatIndicator === undefined ? undefined : Number(properties.payloadFormatIndicator),
    "message-expiry-interval": properties.messageExpiryInterval,
    "content-type": properties.contentType,
    "response-topic": properties.responseTopic,
    "correlation-data": properties.correlationData?.toString("base64"),
    "subscription-identifier": properties.subscriptionIdentifier,
    "user-properties":
      properties.userProperties && userPropertiesOf(packet).map(([name, value]) => ({ [name]: value })),
  };
  const present = Object.entries(shown).filter(([, value]) => value !== undefined);
  return present.length === 0 ? {} : { properties: Object.fromEntries(present) };
}
