import type { SubackPacket, SubscribePacket, SubscriptionRequest } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import { isClientTopicFilter } from "../client-topics.ts";
import { sendRetained } from "../retained-delivery.ts";
import type { ServedConnection } from "../served-connection.ts";
import { isTooWide, subscribeRefusal } from "../subscribe-rules.ts";
import type { Grant } from "../subscriptions.ts";
import { Tracker, trackingRefusal, type TrackingRequest, trackingRequestOf } from "../tracking-request.ts";

interface Answer {
  readonly request: SubscriptionRequest;
  readonly reasonCode: number;
  readonly grant: Grant | undefined;
  /** Why it was refused, where that is told. */
  readonly reason?: string | undefined;
  /** What became of the replay that was asked for. */
  readonly replay?: string | undefined;
}

/** How many effective filters SUBACK names before it says that there are more. */
const maxToldFilters = 16;

/** SUBSCRIBE: each filter as if it came alone, one SUBACK [MQTT-3.8.4-5], then the retained messages. */
export function handleSubscribe(connection: ServedConnection, packet: SubscribePacket): void {
  const { subscriptionIdentifier: identifier, userProperties } = packet.properties ?? {};
  const asked = { identifier, tracking: trackingRequestOf(userProperties) };
  const answers = packet.subscriptions.map((request) => subscribe(connection, request, asked));
  const finish = (): void => {
    if (!connection.isOpen) return;
    connection.link.send(subackOf(connection, packet.packetId, answers));
    for (const { grant } of answers) if (grant) sendRetained(connection.session, grant);
    connection.session.pump();
    connection.session.tellPositions();
  };
  const { record } = connection.session;
  if (record) record.saveThen(["meta", "progress"], finish);
  else finish();
}

/** What a SUBSCRIBE says for all its filters. */
interface Asked {
  readonly identifier: number | undefined;
  readonly tracking: TrackingRequest | undefined;
}

function subscribe(
  connection: ServedConnection,
  request: SubscriptionRequest,
  { identifier, tracking }: Asked,
): Answer {
  const { session, services } = connection;
  const { subscriptions } = session;
  const refuse = (reasonCode: ReasonCode, reason?: string): Answer => ({
    request,
    reasonCode: refusalCode(connection, request, reasonCode),
    grant: undefined,
    reason,
  });
  const refusal = subscribeRefusal(session, services, request.topicFilter);
  if (refusal !== undefined) return refuse(refusal);
  if (isClientTopicFilter(request.topicFilter)) {
    const isKnown = session.subscribeClientTopics(request.topicFilter);
    return isKnown
      ? { request, reasonCode: ReasonCode.success, grant: undefined }
      : refuse(ReasonCode.notAuthorized);
  }
  const untracked = tracking && trackingRefusal(session, request, tracking, services.clock.nowMs());
  if (untracked) return refuse(untracked.reasonCode, untracked.reason);
  const tracker = tracking && new Tracker(session, tracking, services.clock, connection.isResumed);
  const grant = isTooWide(session, request.topicFilter, request.qos)
    ? undefined
    : subscriptions.subscribe(request, identifier, tracker?.track);
  if (!grant) {
    services.counters.subscribeDenied += 1;
    return refuse(ReasonCode.notAuthorized);
  }
  const qos = Math.max(...grant.subscription.granted.map((granted) => granted.qos));
  return { request, reasonCode: qos, grant, replay: tracker?.told };
}

/** 3.1.1 knows only 0x80; 3.1 not even that: the requested QoS is echoed and nothing delivered (semantics.md §2.14). */
function refusalCode(
  connection: ServedConnection,
  request: SubscriptionRequest,
  reasonCode: ReasonCode,
): number {
  if (connection.protocolVersion === 5) return reasonCode;
  return connection.protocolVersion === 4 ? ReasonCode.unspecifiedError : request.qos;
}

function subackOf(connection: ServedConnection, packetId: number, answers: readonly Answer[]): SubackPacket {
  const reasonCodes = answers.map((answer) => answer.reasonCode);
  if (connection.protocolVersion !== 5 || !connection.sendsProblemInformation) {
    return { type: "suback", packetId, reasonCodes };
  }
  const userProperties = answers.flatMap((answer) => describe(answer, answers.length > 1));
  const reasonString = answers.find((answer) => answer.reason !== undefined)?.reason;
  const properties = {
    ...(reasonString !== undefined && { reasonString }),
    ...(userProperties.length > 0 && { userProperties }),
  };
  return { type: "suback", packetId, reasonCodes, properties };
}

/** What is told of one of the filters; its name leads where there are several. */
function describe(answer: Answer, isOneOfSeveral: boolean): [string, string][] {
  const told = describeNarrowed(answer);
  if (answer.replay !== undefined) told.push(["replay", answer.replay]);
  if (told.length > 0 && isOneOfSeveral) told.unshift(["requested-filter", answer.request.topicFilter]);
  return told;
}

/** What a wider request was narrowed to (product.md, "Subscribe"). */
function describeNarrowed({ grant }: Answer): [string, string][] {
  if (!grant?.isNarrowed || isStandIn(grant)) return [];
  const { granted } = grant.subscription;
  const told: [string, string][] = granted
    .slice(0, maxToldFilters)
    .map(({ filter }) => ["effective-filter", filter]);
  if (granted.length > maxToldFilters)
    told.push(["effective-filter-more", String(granted.length - maxToldFilters)]);
  return told;
}

/** Too many effective filters to name: the requested one stands for them, and delivery asks the policy (semantics.md §1.7). */
function isStandIn({ subscription }: Grant): boolean {
  const { granted, topicFilter } = subscription;
  return subscription.checkedBy !== undefined && granted.length === 1 && granted[0]?.filter === topicFilter;
}
