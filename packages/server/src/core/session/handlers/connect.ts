import type { ConnackProperties, ConnectPacket, Will } from "@weir/protocol";
import { ReasonCode } from "@weir/protocol";
import type { Principal } from "../../access/principal.ts";
import { EngineError } from "../../ports/engine.ts";
import type { Client } from "../client.ts";
import type { Limits } from "../limits.ts";
import { countOverlong, isWithinLimits, refusalOf } from "../publish-rules.ts";
import { ServedConnection } from "../served-connection.ts";
import type { Session } from "../session.ts";
import { SessionLimitError } from "../session-directory.ts";
import { boundedExpiryS } from "../session-expiry.ts";
import { isTransportOn } from "../tenant-space.ts";

interface Refusal {
  readonly reasonCode: ReasonCode;
  /** For metrics and the log. */
  readonly reason: string;
}

const maxClientIdBytes = 1_024;
/** Keep alive is enforced with half its length as grace [MQTT-3.1.2-22]. */
const keepAliveGrace = 1.5;

/** CONNECT: who is it, may it, which session; then CONNACK [MQTT-3.1.4-1 to -6]. Never rejects. */
export async function handleConnect(client: Client, packet: ConnectPacket): Promise<void> {
  try {
    const principal = await admit(client, packet);
    if (client.isClosed) return;
    if ("reasonCode" in principal) refuse(client, packet, principal);
    else await openSession(client, packet, principal);
  } catch (error) {
    const refusal = refusalFor(client, error);
    if (!client.isClosed) refuse(client, packet, refusal);
  }
}

/** The engine has not kept the session. */
function refusalFor({ services, peer }: Client, error: unknown): Refusal {
  if (error instanceof EngineError && error.code === "full") {
    services.counters.limitReached["limits.diskReserveBytes"] += 1;
    return { reasonCode: ReasonCode.quotaExceeded, reason: "full" };
  }
  if (error instanceof SessionLimitError)
    return { reasonCode: ReasonCode.quotaExceeded, reason: "max-sessions" };
  services.logger.error({ address: peer.address, error: String(error) }, "CONNECT failed");
  return { reasonCode: ReasonCode.serverUnavailable, reason: "unavailable" };
}

async function admit(client: Client, packet: ConnectPacket): Promise<Principal | Refusal> {
  const early = refuseEarly(client, packet);
  if (early) return early;
  const { services, peer } = client;
  const outcome = await services.authenticator.authenticate({
    peer,
    clientId: packet.clientId || services.randomId(), // [MQTT-3.1.3-6]
    username: packet.username,
    password: packet.password,
    authenticationMethod: packet.properties.authenticationMethod,
    authenticationData: packet.properties.authenticationData,
  });
  if (outcome.kind === "refused") return outcome;
  const { principal } = outcome;
  return (
    refuseTransport(client, principal) ??
    refuseWill(client, packet.will, principal) ??
    refuseMore(client, principal, true) ??
    principal
  );
}

/** What needs no look at the credential. */
function refuseEarly(client: Client, packet: ConnectPacket): Refusal | undefined {
  const { services } = client;
  if (!services.isServing()) return { reasonCode: ReasonCode.serverUnavailable, reason: "not-serving" };
  if (services.connectionCount() > services.limits.maxConnections) {
    return { reasonCode: ReasonCode.quotaExceeded, reason: "max-connections" };
  }
  if (!isClientIdAcceptable(packet))
    return { reasonCode: ReasonCode.clientIdentifierNotValid, reason: "client-id" };
  return undefined;
}

/** An empty client id: 3.1 has none, 3.1.1 only for a clean session [MQTT-3.1.3-8]. */
function isClientIdAcceptable(packet: ConnectPacket): boolean {
  if (packet.clientId.length > maxClientIdBytes) return false;
  if (packet.clientId !== "" || packet.protocolVersion === 5) return true;
  return packet.protocolVersion === 4 && packet.cleanStart;
}

/** The tenant does not let anybody in who comes so. */
function refuseTransport({ services, peer }: Client, { tenant }: Principal): Refusal | undefined {
  if (isTransportOn(services.spaceOf(tenant).router, peer.transport)) return undefined;
  return { reasonCode: ReasonCode.notAuthorized, reason: "protocol-off" };
}

/**
 * As many are connected of the token, the identity or the tenant as may be.
 *
 * @param takesOver whether the connection that the session may have now still counts
 */
function refuseMore({ services }: Client, principal: Principal, takesOver: boolean): Refusal | undefined {
  const { directory } = services;
  const replaces = takesOver && directory.isServed(principal) ? 1 : 0;
  if (services.spaceOf(principal.tenant).usage.hasRoomFor(principal, replaces)) return undefined;
  return { reasonCode: ReasonCode.quotaExceeded, reason: "max-connections" };
}

function refuseWill(client: Client, will: Will | undefined, principal: Principal): Refusal | undefined {
  if (!will) return undefined;
  for (const topic of [will.topic, will.properties.responseTopic]) {
    if (topic === undefined || isWithinLimits(topic, client.services.limits)) continue;
    countOverlong(client.services, topic);
    return { reasonCode: ReasonCode.topicNameInvalid, reason: "will-topic" };
  }
  const topic = client.services.spaceOf(principal.tenant).router.topic(will.topic);
  const { qos, retain, properties } = will;
  const refusal = refusalOf(principal.policy, {
    topic,
    qos,
    retain,
    responseTopic: properties.responseTopic,
  });
  return refusal === undefined ? undefined : { reasonCode: ReasonCode.notAuthorized, reason: "will" };
}

async function openSession(client: Client, packet: ConnectPacket, principal: Principal): Promise<void> {
  const { services } = client;
  const expiryS = boundedExpiryS(askedExpiryS(packet), services.limits, principal);
  const refresh = (): void => services.authenticator.refresh(principal);
  const mayResume = (held: Principal): boolean => services.authenticator.mayResume(held, principal);
  const will = ownWill(packet.will);
  const request = { principal, cleanStart: packet.cleanStart, expiryS, will, refresh, mayResume };
  const isOpened = await services.directory.open(request, (session, isPresent) => {
    if (client.isClosed) return services.directory.abandoned(session);
    const refusal = principal.ended === undefined ? refuseMore(client, principal, false) : endedMeanwhile;
    if (!refusal) return accept(client, packet, session, isPresent);
    services.directory.refused(session, isPresent);
    refuse(client, packet, refusal);
  });
  if (isOpened || client.isClosed) return;
  refuse(client, packet, { reasonCode: ReasonCode.notAuthorized, reason: "foreign-session" });
}

const endedMeanwhile: Refusal = { reasonCode: ReasonCode.badUserNameOrPassword, reason: "ended" };

/** With bytes of its own: the payload is a view of the CONNECT, and the will stays as long as the session. */
function ownWill(will: Will | undefined): Will | undefined {
  return will && { ...will, payload: will.payload.slice() };
}

/** Clean Session 0 of 3.x outlives its connection by the broker's maximum. */
function askedExpiryS(packet: ConnectPacket): number {
  if (packet.protocolVersion !== 5) return packet.cleanStart ? 0 : Infinity;
  return packet.properties.sessionExpiryInterval ?? 0;
}

function accept(client: Client, packet: ConnectPacket, session: Session, isPresent: boolean): void {
  const { link, peer } = client;
  const { services } = client.services.spaceOf(session.tenant);
  const { limits } = services;
  const connection = new ServedConnection({ session, isPresent }, { services, link, peer }, packet);
  const keepAliveS = serverKeepAliveS(packet, limits);
  link.configure({
    protocolVersion: packet.protocolVersion,
    maxSilenceMs: keepAliveS * 1_000 * keepAliveGrace,
    maxOutgoingPacketBytes: packet.properties.maximumPacketSize ?? Infinity,
    outgoingTopicAliasMaximum: packet.properties.topicAliasMaximum ?? 0,
  });
  link.send({
    type: "connack",
    sessionPresent: isPresent,
    reasonCode: ReasonCode.success,
    properties: packet.protocolVersion === 5 ? connackProperties(packet, session, limits, keepAliveS) : {},
  });
  client.serve(connection);
  void session.attach(connection).catch((error: unknown) => {
    services.logger.error({ session: session.id, error: String(error) }, "a session could not be resumed");
    connection.close("lost");
  });
}

/** MQTT 5 clients can be told another keep alive; the older ones keep their own. */
function serverKeepAliveS(packet: ConnectPacket, limits: Limits): number {
  if (packet.protocolVersion !== 5) return packet.keepAlive;
  return packet.keepAlive === 0 ? limits.maxKeepAliveS : Math.min(packet.keepAlive, limits.maxKeepAliveS);
}

function connackProperties(
  packet: ConnectPacket,
  session: Session,
  limits: Limits,
  keepAliveS: number,
): ConnackProperties {
  const requestedExpiryS = packet.properties.sessionExpiryInterval ?? 0;
  const responseInformation = packet.properties.requestResponseInformation
    ? responsePrefix(session)
    : undefined;
  const { authenticationMethod } = packet.properties;
  return {
    ...(authenticationMethod !== undefined && { authenticationMethod }), // [MQTT-4.12.0-5]
    ...(session.expiryS !== requestedExpiryS && { sessionExpiryInterval: session.expiryS }),
    ...(limits.receiveMaximum < 65_535 && { receiveMaximum: limits.receiveMaximum }),
    maximumPacketSize: limits.maxPacketBytes,
    ...(packet.clientId === "" && { assignedClientIdentifier: session.clientId }), // [MQTT-3.2.2-16]
    ...(limits.topicAliasMaximum > 0 && { topicAliasMaximum: limits.topicAliasMaximum }),
    ...(keepAliveS !== packet.keepAlive && { serverKeepAlive: keepAliveS }),
    ...(responseInformation !== undefined && { responseInformation }),
  };
}

/** A prefix below which the client may subscribe to all: of the first part of its policy that is a plain subtree (semantics.md §1.6). */
function responsePrefix({ id, principal: { policy } }: Session): string | undefined {
  for (const { filter } of policy.effectiveFilters("#", 0).filters) {
    // The client id may hold what no topic may
    const prefix = filter === "#" ? `response/${id}/` : filter.slice(0, -1);
    if (!filter.endsWith("#") || prefix.includes("+")) continue;
    const { filters, narrowed, checked } = policy.effectiveFilters(`${prefix}#`, 0);
    if (filters.length > 0 && !narrowed && !checked) return prefix;
  }
  return undefined;
}

/** A refusal tells the code and nothing else (semantics.md §1.15). */
function refuse(client: Client, packet: ConnectPacket, refusal: Refusal): void {
  const { services, link, peer } = client;
  services.counters.connectionsRefused += 1;
  services.counters.authFailures[refusal.reason] = (services.counters.authFailures[refusal.reason] ?? 0) + 1;
  services.logger.info(
    { address: peer.address, code: refusal.reasonCode, reason: refusal.reason },
    "CONNECT refused",
  );
  link.configure({
    protocolVersion: packet.protocolVersion,
    maxSilenceMs: 0,
    maxOutgoingPacketBytes: packet.properties.maximumPacketSize ?? Infinity,
    outgoingTopicAliasMaximum: 0,
  });
  link.send({ type: "connack", sessionPresent: false, reasonCode: refusal.reasonCode });
  client.close();
}
