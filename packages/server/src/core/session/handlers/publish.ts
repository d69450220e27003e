import type { MessageProperties, PublishPacket, PublishProperties } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import { EngineError } from "../../ports/engine.ts";
import type { Message } from "../../ports/message.ts";
import type { Topic } from "../../routing/topic-table.ts";
import type { Settle } from "../ack-queue.ts";
import type { InboundEntry } from "../incoming.ts";
import {
  countOverlong,
  isWithinLimits,
  type Refusal,
  refusalOf,
  refusalText,
  tooManyRetained,
} from "../publish-rules.ts";
import { CLIENT_AUTH_TOPIC } from "../client-topics.ts";
import type { ServedConnection } from "../served-connection.ts";
import { handleClientAuth } from "./auth.ts";
import { isWithinRate } from "./over-rate.ts";
import { acknowledge } from "./publish-answer.ts";

/** How long a 3.x client that cannot be told of a full disk is kept waiting (semantics.md §2.12). */
const fullGraceMs = 30_000;

/** PUBLISH: resolve the topic, authorise it, act; the acknowledgement comes last. */
export function handlePublish(connection: ServedConnection, packet: PublishPacket): void {
  const { counters } = connection.services;
  counters.messagesReceived[packet.qos] += 1;
  const name = resolveTopic(connection, packet);
  if (name === undefined) return;
  if (packet.qos === 2 && isRepeated(connection, packet.packetId)) return;
  if (packet.qos > 0 && !connection.beginInbound(packet.qos as 1 | 2, packet.packetId)) {
    counters.limitReached["mqtt.receiveMaximum"] += 1;
    connection.end(ReasonCode.receiveMaximumExceeded);
    return;
  }
  const topic = allowedTopic(connection, packet, name);
  if (!topic) return;
  if (packet.retain && !mayRetain(connection, packet, topic)) return;
  if (connection.meter !== undefined && !isWithinRate(connection, connection.meter, packet)) return;
  const message = messageOf(connection, packet, topic);
  if (packet.qos === 0) connection.session.router.deliverQos0(message);
  else if (packet.qos === 1) publishQos1(connection, packet.packetId, message);
  else publishQos2(connection, packet.packetId, message);
}

/** The topic name, by alias where there is one; undefined: the connection was ended. */
function resolveTopic(connection: ServedConnection, packet: PublishPacket): string | undefined {
  const alias = packet.properties?.topicAlias;
  if (alias === undefined) return packet.topic;
  const { limits, counters } = connection.services;
  if (alias > limits.topicAliasMaximum) {
    counters.limitReached["mqtt.topicAliasMaximum"] += 1;
    connection.end(ReasonCode.topicAliasInvalid); // [MQTT-3.3.2-9]
    return undefined;
  }
  if (packet.topic !== "") {
    // A topic that is refused anyway is not kept: an alias may stand for up to 64 KiB
    const aliases = connection.topicAliases;
    if (packet.topic.length <= limits.maxTopicBytes) aliases.set(alias, packet.topic);
    else aliases.delete(alias);
    return packet.topic;
  }
  const name = connection.topicAliases.get(alias);
  if (name === undefined) connection.end(ReasonCode.protocolError, "a topic alias that stands for nothing");
  return name;
}

/** The topic, if the principal may publish so; undefined: refused and answered, or no message at all. */
function allowedTopic(connection: ServedConnection, packet: PublishPacket, name: string): Topic | undefined {
  const { policy } = connection.session.principal;
  const { qos, retain } = packet;
  const responseTopic = packet.properties?.responseTopic;
  const last = connection.allowed;
  if (
    last !== undefined &&
    last.topic.name === name &&
    last.policy === policy &&
    last.qos === qos &&
    last.retain === retain &&
    responseTopic === undefined
  ) {
    return last.topic;
  }
  if (name === CLIENT_AUTH_TOPIC) {
    void handleClientAuth(connection, packet);
    return undefined;
  }
  if (!isWithinLimits(name, connection.services.limits)) {
    countOverlong(connection.services, name);
    refuseTopic(connection, packet);
    return undefined;
  }
  if (responseTopic !== undefined && !isWithinLimits(responseTopic, connection.services.limits)) {
    countOverlong(connection.services, responseTopic);
    refusePublish(connection, packet, "response-topic");
    return undefined;
  }
  const topic = connection.session.router.topic(name);
  const refusal = refusalOf(policy, { topic, qos, retain, responseTopic });
  if (refusal !== undefined) {
    refusePublish(connection, packet, refusal);
    return undefined;
  }
  connection.allowed = { topic, policy, qos, retain };
  return topic;
}

/** Too long or too deep for this broker. At QoS 0 and before 5.0 nothing but the end of the connection tells. */
function refuseTopic(connection: ServedConnection, packet: PublishPacket): void {
  if (packet.qos > 0 && connection.protocolVersion === 5)
    acknowledge(connection, packet, ReasonCode.topicNameInvalid);
  else connection.end(ReasonCode.topicNameInvalid);
}

/**
 * Whether the message may go on: with as many retained messages as are kept it is refused where that can be told, else it
 * is delivered and not retained.
 */
function mayRetain(connection: ServedConnection, packet: PublishPacket, topic: Topic): boolean {
  const { payload, qos } = packet;
  if (connection.session.router.retainedView.hasRoomFor({ topic, payload })) return true;
  connection.services.counters.limitReached["limits.maxRetainedMessages"] += 1;
  if (qos === 0 || connection.protocolVersion !== 5) return true;
  acknowledge(connection, packet, ReasonCode.quotaExceeded, tooManyRetained);
  return false;
}

/** Before 5.0 an acknowledgement cannot refuse: the client gets the normal one, and the message goes nowhere. */
function refusePublish(connection: ServedConnection, packet: PublishPacket, refusal: Refusal): void {
  connection.services.counters.publishDenied += 1;
  connection.session.dropped("acl", 1, packet.payload.length);
  if (connection.session.router.settings.refusedPublish === "disconnect") {
    connection.end(ReasonCode.notAuthorized);
    return;
  }
  if (packet.qos === 0) return;
  if (connection.protocolVersion === 5) {
    // That a topic is forbidden needs no words; what of the publish was too much does (product.md, "Bounds").
    acknowledge(
      connection,
      packet,
      ReasonCode.notAuthorized,
      refusal === "topic" ? undefined : refusalText[refusal],
    );
    return;
  }
  if (packet.qos === 2) connection.session.incoming.own(packet.packetId);
  acknowledge(connection, packet, ReasonCode.success);
}

function messageOf(connection: ServedConnection, packet: PublishPacket, topic: Topic): Message {
  const { properties } = packet;
  const expiryS = properties?.messageExpiryInterval;
  return connection.session.router.attributed({
    topic,
    payload: packet.payload,
    qos: packet.qos,
    retain: packet.retain,
    properties: properties && forwarded(properties),
    expiresAtMs: expiryS === undefined ? Infinity : connection.services.clock.nowMs() + expiryS * 1_000,
    publisher: connection.publisher,
    frames: undefined,
  });
}

/** What travels on with the message, unchanged [MQTT-3.3.2-4, -15 to -20]. */
function forwarded(properties: PublishProperties): MessageProperties | undefined {
  const { topicAlias: _, messageExpiryInterval: __, subscriptionIdentifiers: ___, ...message } = properties;
  return Object.keys(message).length > 0 ? message : undefined;
}

function publishQos1(connection: ServedConnection, packetId: number, message: Message): void {
  const { router } = connection.session;
  const done = doneCode(connection, message);
  if (!router.needsLog(message)) {
    connection.acks.add("puback", packetId, done);
    router.deliver(message);
    return;
  }
  const appended = router.append(message);
  const settle = connection.acks.reserve("puback", packetId);
  appended.then(
    () => settle(done),
    (error: unknown) => notDurable(connection, settle, error),
  );
}

/** 0x10 tells who listens: only where the operator wants it told, and then also of a message that is retained. */
function doneCode(connection: ServedConnection, message: Message): ReasonCode {
  const isTold = connection.services.limits.tellsNoMatchingSubscribers && connection.protocolVersion === 5;
  const isHeard = !isTold || connection.session.router.hasRecipients(message);
  return isHeard ? ReasonCode.success : ReasonCode.noMatchingSubscribers;
}

/** The id is known before PUBREC can leave; what the log says of it decides (semantics.md §2.3). */
function publishQos2(connection: ServedConnection, packetId: number, message: Message): void {
  const { incoming, incarnation, record, router } = connection.session;
  const done = doneCode(connection, message);
  const before = incoming.get(packetId);
  if (!router.needsLog(message)) {
    connection.session.incoming.own(packetId);
    connection.acks.add("pubrec", packetId, done);
    if (!before) router.deliver(message);
    return;
  }
  const id = before?.logId ?? incoming.nextUse(incarnation, record?.held.epoch ?? 0);
  const entry: InboundEntry = { state: "pending", logId: id, settled: undefined };
  incoming.set(packetId, entry);
  const inbound = { incarnation, packetId };
  const appended = router.append(message, { inbound, id, isLogOnly: before !== undefined });
  const settle = connection.acks.reserve("pubrec", packetId);
  entry.settled = appended.then(
    () => {
      entry.state = "owned";
      settle(done);
    },
    (error: unknown) => {
      entry.state = isUnknown(error) ? "unknown" : "missing";
      notDurable(connection, settle, error);
    },
  );
}

function isUnknown(error: unknown): boolean {
  return error instanceof EngineError && error.maybeApplied;
}

/**
 * A PUBLISH whose packet id was not released: PUBREC again and nothing else [MQTT-4.3.3-10]. Where the log is known not
 * to have the message it is published again, but only for the log: whoever takes it directly has it.
 */
function isRepeated(connection: ServedConnection, packetId: number): boolean {
  const entry = connection.session.incoming.get(packetId);
  if (!entry || entry.state === "missing") return false;
  if (entry.state === "owned") connection.acks.add("pubrec", packetId, ReasonCode.success);
  else void answerRepeated(connection, packetId, entry);
  return true;
}

/** The log has not said yet whether it has the first one: wait, or ask. */
async function answerRepeated(
  connection: ServedConnection,
  packetId: number,
  entry: InboundEntry,
): Promise<void> {
  const settle = connection.acks.reserve("pubrec", packetId);
  await entry.settled;
  try {
    if (entry.state === "unknown") entry.state = await whereabouts(connection, entry);
  } catch (error) {
    notDurable(connection, settle, error);
    return;
  }
  if (entry.state === "owned") settle(ReasonCode.success);
  else connection.close("lost"); // the client sends it again
}

async function whereabouts(
  { session }: ServedConnection,
  { logId }: InboundEntry,
): Promise<"owned" | "missing"> {
  return logId !== undefined && (await session.router.lookup(logId)) ? "owned" : "missing";
}

/** The engine has not promised. Only where it surely has not got the message may an acknowledgement say so. */
function notDurable(connection: ServedConnection, settle: Settle, error: unknown): void {
  const { services, link } = connection;
  const isRefused = error instanceof EngineError && !error.maybeApplied;
  const isFull = isRefused && (error.code === "full" || error.code === "overloaded");
  // The engine tells once that the disk is full; each message that it refuses then is only counted
  if (isRefused && error.code === "full") services.counters.limitReached["limits.diskReserveBytes"] += 1;
  else tellNotDurable(connection, error);
  if (isFull && connection.protocolVersion === 5) {
    settle(ReasonCode.quotaExceeded);
  } else if (isFull) {
    link.pause(true);
    services.clock.after(fullGraceMs, () => connection.close("lost"));
  } else {
    connection.close("lost");
  }
}

function tellNotDurable({ services, session }: ServedConnection, error: unknown): void {
  const told = { session: session.id, error: String(error) };
  services.logger.warn(told, "a message could not be made durable");
}
