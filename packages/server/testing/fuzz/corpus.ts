import { existsSync } from "node:fs";
import { encodePacket } from "@weir/protocol";
import type { ConnectPacket, Packet, ProtocolVersion, PublishPacket, Qos } from "@weir/protocol";
import { loadVectors, parseVectorBytes, vectorDirectory } from "../../../protocol/testing/vector.ts";
import type { Random } from "./random.ts";

/** What a connection of this version sends, packet by packet. */
export interface Seed {
  readonly version: ProtocolVersion;
  readonly packets: readonly Buffer[];
}

/** The vectors where they are there, and packets of our own: every type, with everything that a version has. */
export function loadCorpus(): readonly Seed[] {
  const own = versions.map((version) => ({
    version,
    packets: packetsOf(version).map((one) => encode(one, version)),
  }));
  if (!existsSync(vectorDirectory)) return own;
  const vectors = loadVectors().map(({ version, messages }) => ({
    version,
    packets: messages.flatMap((message) =>
      message.type === "send" ? [Buffer.from(parseVectorBytes(message.payload))] : [],
    ),
  }));
  return [...own, ...vectors.filter(({ packets }) => packets.length > 0)];
}

const versions = [3, 4, 5] as const;
const CLIENT_IDS = 24;
/** Few topics and filters, so that what one connection publishes reaches another. */
const topics = ["a", "a/b", "a/b/c", "/", "a//b", "b", "ä/ß"] as const;
const filters = [
  "#",
  "+",
  "a/#",
  "a/+/c",
  "+/+",
  "a/b",
  "/",
  "$share/g/a/#",
  "$share/h/#",
  "$SYS/#",
  "$client/#",
];

/** What `since` may say, and what not. */
const sinces = [
  "-10m",
  "-1s",
  "-0s",
  "2026-01-01T00:00:00Z",
  "9999-12-31T23:59:59Z",
  "e.1",
  "",
  "-",
  "-1y",
] as const;

/** A CONNECT that is mostly accepted; some come with the key. */
export function plausibleConnect(random: Random, version: ProtocolVersion, key: string): Buffer {
  const will = {
    topic: random.pick(topics),
    payload: random.bytes(5),
    qos: qosOf(random),
    retain: random.chance(0.3),
  };
  const properties = {
    sessionExpiryInterval: random.pick([0, 1, 3_600]),
    receiveMaximum: random.pick([1, 2, 10, 65_535]),
    maximumPacketSize: random.pick([20, 200, 1_048_576]),
    topicAliasMaximum: random.pick([0, 1, 10]),
    requestResponseInformation: random.chance(0.5),
    requestProblemInformation: random.chance(0.5),
  };
  const packet: ConnectPacket = {
    type: "connect",
    protocolVersion: version,
    cleanStart: random.chance(0.5),
    keepAlive: random.pick([0, 1, 60, 65_535]),
    clientId: clientIdOf(random),
    properties: version === 5 ? properties : {},
    ...(random.chance(0.3) && {
      will: { ...will, properties: version === 5 ? { willDelayInterval: 1 } : {} },
    }),
  };
  return encode(withCredential(random, packet, key), version);
}

/** Most come without: anonymous clients may do everything. */
function withCredential(random: Random, packet: ConnectPacket, key: string): ConnectPacket {
  if (random.chance(0.6)) return packet;
  if (packet.protocolVersion === 5 && random.chance(0.6))
    return { ...packet, properties: { ...packet.properties, ...authOf(key) } };
  return random.chance(0.5)
    ? { ...packet, username: "any", password: Buffer.from(key) }
    : { ...packet, username: key };
}

function authOf(key: string): { authenticationMethod: string; authenticationData: Buffer } {
  return { authenticationMethod: "token", authenticationData: Buffer.from(key) };
}

/** A packet that a client may send, and that leads somewhere; some renew with the key. */
export function plausiblePacket(random: Random, version: ProtocolVersion, key: string): Buffer {
  if (random.chance(0.08)) return encode(renewal(random, version, key), version);
  return encode(random.pick(makers)(random, version), version);
}

/** AUTH, or what goes for it with every client. */
function renewal(random: Random, version: ProtocolVersion, key: string): Packet {
  if (version === 5 && random.chance(0.6))
    return { type: "auth", reasonCode: random.chance(0.9) ? 0x19 : 0x18, properties: authOf(key) };
  return { ...publishOf(random, 4), topic: "$client/auth", payload: Buffer.from(key) };
}

function encode(packet: Packet, version: ProtocolVersion): Buffer {
  return Buffer.from(encodePacket(packet, version));
}

const makers: readonly ((random: Random, version: ProtocolVersion) => Packet)[] = [
  subscribeOf,
  subscribeOf,
  publishOf,
  publishOf,
  publishOf,
  publishOf,
  (random) => ({ type: "unsubscribe", packetId: idOf(random), topicFilters: [random.pick(filters)] }),
  (random) => ({ type: "pubrel", packetId: idOf(random), reasonCode: 0 }),
  (random) => ({ type: random.pick(["puback", "pubrec", "pubcomp"]), packetId: idOf(random), reasonCode: 0 }),
  () => ({ type: "pingreq" }),
];

function subscribeOf(random: Random, version: ProtocolVersion): Packet {
  const topicFilter = random.pick(filters);
  const options = version === 5 && !topicFilter.startsWith("$share");
  const request = {
    topicFilter,
    qos: qosOf(random),
    noLocal: options && random.chance(0.2),
    retainAsPublished: options && random.chance(0.5),
    retainHandling: options ? random.pick([0, 1, 2] as const) : 0,
  } as const;
  const properties = {
    subscriptionIdentifier: 1 + random.below(1_000),
    ...(random.chance(0.4) && { userProperties: replayOf(random) }),
  };
  const packet = { type: "subscribe", packetId: idOf(random), subscriptions: [request] } as const;
  return version === 5 && random.chance(0.5) ? { ...packet, properties } : packet;
}

function replayOf(random: Random): readonly (readonly [string, string])[] {
  const since = ["since", random.pick(sinces)] as const;
  return random.pick([[since], [["position", "true"]], [since, ["position", "true"]], [since, since]]);
}

function publishOf(random: Random, version: ProtocolVersion): PublishPacket {
  const qos = qosOf(random);
  const properties = {
    topicAlias: 1 + random.below(3),
    messageExpiryInterval: random.pick([0, 1, 100]),
    userProperties: [["a", "b"] as const],
    responseTopic: random.pick(topics),
    correlationData: random.bytes(3),
  };
  const packet = {
    type: "publish",
    topic: random.pick(topics),
    payload: random.bytes(random.pick([0, 1, 20, 3_000])),
    qos,
    retain: random.chance(0.2),
    dup: qos > 0 && random.chance(0.1),
    packetId: qos === 0 ? 0 : idOf(random),
  } as const;
  return version === 5 && random.chance(0.5) ? { ...packet, properties } : packet;
}

/** Few, so that they take over from each other and come back to their sessions. */
export function clientIdOf(random: Random): string {
  return `fuzz-${random.below(CLIENT_IDS)}`;
}

function idOf(random: Random): number {
  return 1 + random.below(8);
}

function qosOf(random: Random): Qos {
  return random.below(3) as Qos;
}

/** One of each type, those of servers too: a broker has to refuse them. */
function packetsOf(version: ProtocolVersion): readonly Packet[] {
  const isNew = version === 5;
  const words = isNew ? { properties: { reasonString: "r", userProperties: [["n", "v"] as const] } } : {};
  const acks = (["puback", "pubrec", "pubrel", "pubcomp"] as const).map(
    (type) => ({ type, packetId: 1, reasonCode: 0, ...words }) as const,
  );
  const disconnect = { type: "disconnect", reasonCode: 0, ...(isNew && { properties: {} }) } as const;
  const auth = {
    type: "auth",
    reasonCode: 0x18,
    properties: { authenticationMethod: "token", authenticationData: Buffer.from("x") },
  } as const;
  return [
    ...acks,
    { type: "unsubscribe", packetId: 1, topicFilters: ["a", "b/#"] },
    { type: "pingreq" },
    { type: "pingresp" },
    { type: "connack", sessionPresent: false, reasonCode: 0, properties: {} },
    { type: "suback", packetId: 1, reasonCodes: [0] },
    { type: "unsuback", packetId: 1, reasonCodes: isNew ? [0] : [] },
    ...(isNew ? [auth] : []),
    disconnect,
  ];
}
