import type { MessageProperties, Qos, UserProperties } from "@weir/protocol";
import type { LogRecord, Plain } from "../ports/engine.ts";
import type { Message, TopicName } from "../ports/message.ts";

/** What the log keeps of a message. */
export function toRecord(message: Message, nowMs: number, inbound: LogRecord["inbound"]): LogRecord {
  const { topic, payload, qos, retain, properties, expiresAtMs, publisher } = message;
  return {
    topic: topic.name,
    payload,
    qos,
    retain,
    properties,
    publishedAtMs: nowMs,
    expiresAtMs,
    publisher,
    inbound,
  };
}

export function fromRecord(record: LogRecord, topic: TopicName): Message {
  const { payload, qos, retain, properties, expiresAtMs, publisher } = record;
  return { topic, payload, qos, retain, properties, expiresAtMs, publisher, frames: undefined };
}

/** A message as plain data, for the parts of session records and views that hold one. */
export function toPlain(message: Message): Plain {
  const { topic, payload, qos, retain, properties, expiresAtMs, publisher } = message;
  return {
    topic: topic.name,
    payload,
    qos,
    retain,
    properties: properties as Plain,
    expiresAtMs: expiresAtMs === Infinity ? null : expiresAtMs,
    publisher: { ...publisher },
  };
}

interface PlainMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: (MessageProperties & { readonly userProperties?: UserProperties }) | undefined;
  readonly expiresAtMs: number | null;
  readonly publisher: Message["publisher"];
}

/** The counterpart of `toPlain`, for data that this broker has written. */
export function fromPlain(plain: Plain, topicOf: (name: string) => TopicName): Message {
  const stored = plain as unknown as PlainMessage;
  return {
    topic: topicOf(stored.topic),
    payload: stored.payload,
    qos: stored.qos,
    retain: stored.retain,
    properties: stored.properties,
    expiresAtMs: stored.expiresAtMs ?? Infinity,
    publisher: stored.publisher,
    frames: undefined,
  };
}

/** The same message with bytes of its own, for whoever keeps it: a payload may be a view of a large read buffer. */
export function withOwnPayload(message: Message): Message {
  return { ...message, payload: message.payload.slice(), frames: undefined };
}
