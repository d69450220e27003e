import { ReasonCode } from "@weir/protocol";
import {
  connect,
  type IClientOptions,
  type IConnackPacket,
  type IPublishPacket,
  type MqttClient,
  type Packet,
} from "mqtt";
import {
  type Address,
  type Grant,
  Inbox,
  type RealClient,
  type RealClientLibrary,
  type RealClientOptions,
  type RealMessage,
  type RealMessageProperties,
  type RealPublishOptions,
  type RealSubscribeOptions,
} from "./real-client.ts";

const SESSION_EXPIRY_S = 3_600;
const RECONNECT_PERIOD_MS = 20;
const SCHEMES = { tcp: "mqtt", tls: "mqtts", ws: "ws", wss: "wss" } as const;

/** MQTT.js. `more` goes before what the options say. */
export class MqttJsLibrary implements RealClientLibrary {
  readonly #more: IClientOptions;
  readonly #clients: MqttClient[] = [];

  constructor(more: IClientOptions = {}) {
    this.#more = more;
  }

  async connect(address: Address, options: RealClientOptions): Promise<MqttJsClient> {
    const url = `${SCHEMES[address.over]}://127.0.0.1:${address.port}/mqtt`;
    const client = connect(url, { ...optionsOf(address, options), ...this.#more });
    this.#clients.push(client);
    const inbox = new Inbox();
    client.on("message", (topic, _payload, packet) => inbox.put(messageOf(topic, packet)));
    return new MqttJsClient(client, inbox, await connackOf(client));
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.endAsync(true)));
  }
}

function optionsOf(address: Address, options: RealClientOptions): IClientOptions {
  const { version, clientId, password, cleanStart = true, will } = options;
  return {
    protocolVersion: version,
    ...(version === 3 && { protocolId: "MQIsdp" }),
    clientId,
    username: "any",
    password,
    clean: cleanStart,
    reconnectPeriod: RECONNECT_PERIOD_MS,
    resubscribe: false,
    ca: address.ca,
    wsOptions: { ca: address.ca },
    ...(version === 5 && { properties: { sessionExpiryInterval: cleanStart ? 0 : SESSION_EXPIRY_S } }),
    ...(will && { will: { ...will, payload: Buffer.from(will.payload) } }),
  };
}

/** The first CONNACK, whatever it says. A client that is refused does not try again. */
async function connackOf(client: MqttClient): Promise<IConnackPacket> {
  return new Promise((resolve, reject) => {
    const look = (packet: Packet): void => {
      if (packet.cmd !== "connack") return;
      client.off("packetreceive", look);
      if (codeOf(packet) === 0) {
        client.once("connect", () => resolve(packet));
        return;
      }
      client.end(true);
      resolve(packet);
    };
    client.on("packetreceive", look);
    // Where there is no CONNACK at all, this is why; after a refusal it only repeats it
    client.on("error", reject);
  });
}

function codeOf({ reasonCode, returnCode }: IConnackPacket): number {
  return reasonCode ?? returnCode ?? -1;
}

export class MqttJsClient implements RealClient {
  readonly inbox: Inbox;
  readonly reasonCode: number;
  readonly sessionPresent: boolean;
  /** The library's own client. */
  readonly client: MqttClient;

  constructor(client: MqttClient, inbox: Inbox, connack: IConnackPacket) {
    this.client = client;
    this.inbox = inbox;
    this.reasonCode = codeOf(connack);
    this.sessionPresent = connack.sessionPresent;
  }

  async subscribe(filter: string, options: RealSubscribeOptions = {}): Promise<Grant> {
    const { qos = 0, noLocal = false, identifier } = options;
    const received: SubackPacket[] = [];
    const look = (packet: Packet): void => {
      if (packet.cmd === "suback") received.push(packet);
    };
    this.client.on("packetreceive", look);
    const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } };
    // It rejects where a code says no; the code is what is asked for here
    await this.client.subscribeAsync(filter, { qos, nl: noLocal, ...properties }).catch(() => undefined);
    this.client.off("packetreceive", look);
    const [suback] = received;
    return {
      code: Number(suback?.granted[0] ?? -1),
      userProperties: pairsOf(suback?.properties?.userProperties),
    };
  }

  async publish(topic: string, payload: string | Buffer, options: RealPublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false, properties } = options;
    const packet = { qos, retain, ...(properties && { properties: toMqttJs(properties) }) };
    await this.client.publishAsync(topic, payload, packet).catch(rethrowUnlessReleased);
  }

  async drop(): Promise<void> {
    const back = new Promise<void>((resolve) => this.client.once("connect", () => resolve()));
    this.client.stream.destroy();
    await back;
  }

  async cut(): Promise<void> {
    await this.client.endAsync(true);
  }

  async disconnect(): Promise<void> {
    await this.client.endAsync();
  }
}

/**
 * Where PUBCOMP was lost with the connection, PUBREL comes again after the id was freed, and 0x92 says so: "not an error
 * during recovery" (MQTT 5.0, 3.7.2.1). MQTT.js tells it as one.
 */
function rethrowUnlessReleased(error: Error & { code?: unknown }): void {
  if (error.code !== ReasonCode.packetIdentifierNotFound) throw error;
}

type SubackPacket = Extract<Packet, { cmd: "suback" }>;
type MqttJsProperties = NonNullable<IPublishPacket["properties"]>;

function toMqttJs(properties: RealMessageProperties): MqttJsProperties {
  const { userProperties, subscriptionIdentifiers: _, ...others } = properties;
  return { ...others, ...(userProperties && { userProperties: groupedBy(userProperties) }) };
}

/** @param topic which the packet itself has not where an alias stood for it */
function messageOf(topic: string, packet: IPublishPacket): RealMessage {
  const { payload, qos, retain, properties = {} } = packet;
  const { userProperties, subscriptionIdentifier, responseTopic, correlationData } = properties;
  const { contentType, messageExpiryInterval } = properties;
  return {
    topic,
    payload: Buffer.from(payload),
    qos,
    retain,
    properties: {
      ...(userProperties && { userProperties: pairsOf(userProperties) }),
      ...(responseTopic !== undefined && { responseTopic }),
      ...(correlationData && { correlationData }),
      ...(contentType !== undefined && { contentType }),
      ...(messageExpiryInterval !== undefined && { messageExpiryInterval }),
      ...(subscriptionIdentifier !== undefined && {
        subscriptionIdentifiers: [subscriptionIdentifier].flat(),
      }),
    },
  };
}

type UserProperties = NonNullable<MqttJsProperties["userProperties"]>;

/** MQTT.js keeps the values of one name together. */
function groupedBy(pairs: readonly (readonly [string, string])[]): UserProperties {
  return Object.fromEntries(
    [...Map.groupBy(pairs, ([name]) => name)].map(([name, ofName]) => [
      name,
      ofName.map(([, value]) => value),
    ]),
  );
}

function pairsOf(grouped: UserProperties = {}): [string, string][] {
  return Object.entries(grouped).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  );
}
