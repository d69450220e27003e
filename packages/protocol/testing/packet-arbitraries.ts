import fc from "fast-check";
import { ReasonCode } from "../src/index.ts";
import {
  authCodes,
  connackCodes,
  disconnectCodes,
  receiptCodes,
  releaseCodes,
  subackCodes,
  unsubackCodes,
} from "../src/listed-reason-codes.ts";
import type { ListedCodes } from "../src/listed-reason-codes.ts";
import type { Packet, ProtocolVersion, UserProperties } from "../src/index.ts";

/** Packets as the decoder gives them, for one version and one side: what is encoded from them decodes to the same. */
export function packets(version: ProtocolVersion, from: "client" | "server"): fc.Arbitrary<Packet> {
  const either = [publishes(version, from), acks(version), disconnects(version, from)];
  const later = version === 5 ? [...either, auths(from)] : either;
  const own = from === "client" ? clientPackets(version) : serverPackets(version);
  return fc.oneof(...later, ...own);
}

function clientPackets(version: ProtocolVersion): fc.Arbitrary<Packet>[] {
  return [connects(version), subscribes(version), unsubscribes(version), fc.constant({ type: "pingreq" })];
}

function serverPackets(version: ProtocolVersion): fc.Arbitrary<Packet>[] {
  return [connacks(version), subacks(version), unsubacks(version), fc.constant({ type: "pingresp" })];
}

const unit = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...Array.from("abcxyzABC0189 -_.:/$äß€한")) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("\ufeff", "\u{2a6d4}", "\u{1f68c}", "\ud7ff", "\ue000", "\u{10fffd}"),
  },
);

const texts = (maxLength = 40): fc.Arbitrary<string> => fc.string({ unit, maxLength });
const nonEmptyTexts = fc.string({ unit, minLength: 1, maxLength: 40 });
const topicNames = nonEmptyTexts;
const topicFilters = fc.oneof(
  topicNames.filter((topic) => !topic.startsWith("$share/")),
  fc.constantFrom("#", "+", "a/+/b", "+/+", "a/#", "/", "+/#", "$share/group/a/#", "$SYS/#", "$share"),
);
const bytes = fc.uint8Array({ maxLength: 300 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const positiveU16 = fc.integer({ min: 1, max: 0xffff });
const u32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 0x8000_0000, 0xffff_ffff));
const positiveU32 = fc.integer({ min: 1, max: 0xffff_ffff });
const bit = fc.constantFrom(0 as const, 1 as const);
const qoses = fc.constantFrom(0 as const, 1 as const, 2 as const);
const identifiers = fc.oneof(
  fc.integer({ min: 1, max: 268_435_455 }),
  fc.constantFrom(1, 127, 128, 16_383, 16_384, 268_435_455),
);
const userProperties: fc.Arbitrary<UserProperties> = fc.array(fc.tuple(texts(10), texts(10)), {
  minLength: 1,
  maxLength: 4,
});

function some<T>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<Partial<T>> {
  return fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;
}

/** Adds `properties` where there are some and the version has them. */
function withProperties<Base extends object>(
  version: ProtocolVersion,
  base: fc.Arbitrary<Base>,
  properties: fc.Arbitrary<object>,
): fc.Arbitrary<Packet> {
  const whole = fc.tuple(base, properties).map(([fields, found]) => {
    return version !== 5 || Object.keys(found).length === 0 ? fields : { ...fields, properties: found };
  });
  return whole as unknown as fc.Arbitrary<Packet>;
}

function codes(version: ProtocolVersion, listed: ListedCodes): fc.Arbitrary<ReasonCode> {
  return version === 5 ? fc.constantFrom(...listed.values()) : fc.constant(ReasonCode.success);
}

const messageProperties = {
  payloadFormatIndicator: bit,
  messageExpiryInterval: u32,
  contentType: texts(),
  responseTopic: topicNames,
  correlationData: bytes,
  userProperties,
};

function connects(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const own = some({
    sessionExpiryInterval: u32,
    receiveMaximum: positiveU16,
    maximumPacketSize: positiveU32,
    topicAliasMaximum: u16,
    requestResponseInformation: fc.boolean(),
    requestProblemInformation: fc.boolean(),
    userProperties,
    authenticationMethod: texts(),
  });
  const properties = version === 5 ? own.chain(withAuthenticationData) : fc.constant({});
  const username = { username: texts() };
  const password = { password: bytes };
  const passwordAlone = version === 5 ? [fc.record(password)] : [];
  const credentials = fc.oneof(
    fc.constant({}),
    fc.record(username),
    fc.record({ ...username, ...password }),
    ...passwordAlone,
  );
  return fc
    .tuple(
      fc.record({ cleanStart: fc.boolean(), keepAlive: u16, clientId: texts(), properties }),
      fc.option(fc.record({ will: wills(version) }), { nil: {} }),
      credentials,
    )
    .map(([fields, will, access]) => {
      return { type: "connect", protocolVersion: version, ...fields, ...will, ...access } as Packet;
    });
}

function withAuthenticationData<T extends { authenticationMethod?: string }>(properties: T): fc.Arbitrary<T> {
  if (properties.authenticationMethod === undefined) return fc.constant(properties);
  return fc.option(bytes, { nil: undefined }).map((data) => {
    return data === undefined ? properties : { ...properties, authenticationData: data };
  });
}

function wills(version: ProtocolVersion): fc.Arbitrary<object> {
  const own = some({ ...messageProperties, willDelayInterval: u32 });
  const properties = version === 5 ? own : fc.constant({});
  return fc.record({ topic: topicNames, payload: bytes, qos: qoses, retain: fc.boolean(), properties });
}

function connacks(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const returnCodes = fc.integer({ min: 0, max: 5 });
  const reasonCodes: fc.Arbitrary<number> = version === 5 ? codes(version, connackCodes) : returnCodes;
  const base = fc
    .record({ type: fc.constant("connack"), sessionPresent: fc.boolean(), reasonCode: reasonCodes })
    .map((fields) => ({
      ...fields,
      sessionPresent: fields.sessionPresent && fields.reasonCode === 0 && version !== 3,
    }));
  const properties = some({
    sessionExpiryInterval: u32,
    receiveMaximum: positiveU16,
    maximumQos: bit,
    retainAvailable: fc.boolean(),
    maximumPacketSize: positiveU32,
    assignedClientIdentifier: texts(),
    topicAliasMaximum: u16,
    reasonString: texts(),
    userProperties,
    wildcardSubscriptionAvailable: fc.boolean(),
    subscriptionIdentifiersAvailable: fc.boolean(),
    sharedSubscriptionAvailable: fc.boolean(),
    serverKeepAlive: u16,
    responseInformation: texts(),
    serverReference: texts(),
    authenticationMethod: texts(),
  }).chain(withAuthenticationData);
  return withProperties(version, base, properties);
}

function publishes(version: ProtocolVersion, from: "client" | "server"): fc.Arbitrary<Packet> {
  const identified =
    from === "server"
      ? { subscriptionIdentifiers: fc.array(identifiers, { minLength: 1, maxLength: 3 }) }
      : {};
  const base = fc
    .record({
      topic: topicNames,
      payload: bytes,
      qos: qoses,
      retain: fc.boolean(),
      dup: fc.boolean(),
      packetId: positiveU16,
    })
    .map((fields) => ({
      type: "publish",
      ...fields,
      dup: fields.dup && fields.qos > 0,
      packetId: fields.qos > 0 ? fields.packetId : 0,
    }));
  const properties = some({ ...messageProperties, ...identified, topicAlias: positiveU16 });
  return withProperties(version, base, properties);
}

const reasonProperties = some({ reasonString: texts(), userProperties });

function acks(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const one = (listed: ListedCodes, ...types: string[]) =>
    fc.record({
      type: fc.constantFrom(...types),
      packetId: positiveU16,
      reasonCode: codes(version, listed),
    });
  const base = fc.oneof(one(receiptCodes, "puback", "pubrec"), one(releaseCodes, "pubrel", "pubcomp"));
  return withProperties(version, base, reasonProperties);
}

function subscribes(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const options = fc.record({
    noLocal: fc.boolean(),
    retainAsPublished: fc.boolean(),
    retainHandling: fc.constantFrom(0, 1, 2),
  });
  const none = fc.constant({ noLocal: false, retainAsPublished: false, retainHandling: 0 });
  const subscription = fc
    .tuple(topicFilters, qoses, version === 5 ? options : none)
    .map(([topicFilter, qos, others]) => {
      return { topicFilter, qos, ...others, noLocal: others.noLocal && !topicFilter.startsWith("$share/") };
    });
  const base = fc.record({
    type: fc.constant("subscribe"),
    packetId: positiveU16,
    subscriptions: fc.array(subscription, { minLength: 1, maxLength: 5 }),
  });
  return withProperties(version, base, some({ subscriptionIdentifier: identifiers, userProperties }));
}

function subacks(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const one: fc.Arbitrary<number> =
    version === 5 ? codes(version, subackCodes) : fc.constantFrom(0, 1, 2, 0x80);
  const base = fc.record({
    type: fc.constant("suback"),
    packetId: positiveU16,
    reasonCodes: fc.array(one, { minLength: 1, maxLength: 5 }),
  });
  return withProperties(version, base, reasonProperties);
}

function unsubscribes(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const base = fc.record({
    type: fc.constant("unsubscribe"),
    packetId: positiveU16,
    topicFilters: fc.array(topicFilters, { minLength: 1, maxLength: 5 }),
  });
  return withProperties(version, base, some({ userProperties }));
}

function unsubacks(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const some5 = fc.array(codes(version, unsubackCodes), { minLength: 1, maxLength: 5 });
  const base = fc.record({
    type: fc.constant("unsuback"),
    packetId: positiveU16,
    reasonCodes: version === 5 ? some5 : fc.constant([]),
  });
  return withProperties(version, base, reasonProperties);
}

function disconnects(version: ProtocolVersion, from: "client" | "server"): fc.Arbitrary<Packet> {
  const base = fc.record({
    type: fc.constant("disconnect"),
    reasonCode: codes(version, disconnectCodes[from]),
  });
  const expiry = from === "client" ? { sessionExpiryInterval: u32 } : {};
  const properties = some({ ...expiry, reasonString: texts(), userProperties, serverReference: texts() });
  return withProperties(version, base, properties);
}

function auths(from: "client" | "server"): fc.Arbitrary<Packet> {
  const base = fc.record({ type: fc.constant("auth"), reasonCode: codes(5, authCodes[from]) });
  const properties = fc
    .tuple(fc.record({ authenticationMethod: texts() }), reasonProperties)
    .chain(([method, others]) => withAuthenticationData({ ...method, ...others }));
  return withProperties(5, base, properties);
}
