import type { SubackPacket, SubscribePacket, SubscriptionRequest } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import { isClientTopicFilter } from "../client-topics.ts";
import { sendRetained } from "../retained-delivery.ts";
import type { ServedConnection } from "../served-connection.ts";
import { subscribeRefusal } from "../subscribe-rules.ts";
import type { Grant } from "../subscriptions.ts";

interface Answer {
  readonly request: SubscriptionRequest;
  readonly reasonCode: number;
  readonly grant: Grant | undefined;
}

/** How many effective filters SUBACK names before it says that there are more. */
const maxToldFilters = 16;

/** SUBSCRIBE: each filter as if it came alone, one SUBACK [MQTT-3.8.4-5], then the retained messages. */
export function handleSubscribe(connection: ServedConnection, packet: SubscribePacket): void {
  const identifier = packet.properties?.subscriptionIdentifier;
  const answers = packet.subscriptions.map((request) => subscribe(connection, request, identifier));
  const finish = (): void => {
    if (!connection.isOpen) return;
    connection.link.send(subackOf(connection, packet.packetId, answers));
    for (const { grant } of answers) if (grant) sendRetained(connection.session, grant);
    connection.session.pump();
  };
  const { record } = connection.session;
  if (record) record.saveThen(["meta", "progress"], finish);
  else finish();
}

function subscribe(
  connection: ServedConnection,
  request: SubscriptionRequest,
  identifier: number | undefined,
): Answer {
  const { session, services } = connection;
  const { subscriptions } = session;
  const refuse = (reasonCode: ReasonCode): Answer => ({
    request,
    reasonCode: refusalCode(connection, request, reasonCode),
    grant: undefined,
  });
  const refusal = subscribeRefusal(session, services, request.topicFilter);
  if (refusal !== undefined) return refuse(refusal);
  if (isClientTopicFilter(request.topicFilter)) {
    const isKnown = session.subscribeClientTopics(request.topicFilter);
    return isKnown
      ? { request, reasonCode: ReasonCode.success, grant: undefined }
      : refuse(ReasonCode.notAuthorized);
  }
  const grant = subscriptions.subscribe(request, identifier);
  if (!grant) {
    services.counters.subscribeDenied += 1;
    return refuse(ReasonCode.notAuthorized);
  }
  const qos = Math.max(...grant.subscription.granted.map((granted) => granted.qos));
  return { request, reasonCode: qos, grant };
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
  const userProperties = answers.flatMap((answer) => describeNarrowed(answer, answers.length > 1));
  return {
    type: "suback",
    packetId,
    reasonCodes,
    ...(userProperties.length > 0 && { properties: { userProperties } }),
  };
}

/** What a wider request was narrowed to (product.md, "Subscribe"). */
function describeNarrowed({ request, grant }: Answer, isOneOfSeveral: boolean): [string, string][] {
  if (!grant?.isNarrowed || isStandIn(grant)) return [];
  const { granted } = grant.subscription;
  const told: [string, string][] = granted
    .slice(0, maxToldFilters)
    .map(({ filter }) => ["effective-filter", filter]);
  if (isOneOfSeveral) told.unshift(["requested-filter", request.topicFilter]);
  if (granted.length > maxToldFilters)
    told.push(["effective-filter-more", String(granted.length - maxToldFilters)]);
  return told;
}

/** Too many effective filters to name: the requested one stands for them, and delivery asks the policy (semantics.md §1.7). */
function isStandIn({ subscription }: Grant): boolean {
  const { granted, topicFilter } = subscription;
  return subscription.checkedBy !== undefined && granted.length === 1 && granted[0]?.filter === topicFilter;
}
