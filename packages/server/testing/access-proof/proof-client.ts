import { setImmediate as nextTurn } from "node:timers/promises";
import type { PublishPacket, Qos, Will } from "@weir/protocol";
import { type BrokerFixture, type MqttTestClient, textOf } from "@weir/testkit";
import { connect, type MqttClient, type Packet } from "mqtt";
import type { Moments } from "./timeline.ts";

/** A message as it came, sent by the broker within a span of moments. */
export interface Delivered {
  readonly payload: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly identifiers: readonly number[];
  readonly from: number;
  readonly to: number;
}

export interface Request {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainHandling: 0 | 1 | 2;
  readonly identifier: number | undefined;
  readonly since?: string;
}

export interface Publication {
  readonly payload: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly responseTopic?: string | undefined;
}

export interface ProofConnect {
  readonly clientId: string;
  readonly password: string;
  readonly isPersistent: boolean;
  readonly receiveMaximum: number;
  readonly will: Will | undefined;
}

/** One connection of a user. */
export interface ProofClient {
  readonly isClosed: boolean;
  /** The reason code; undefined: the connection ended meanwhile. */
  subscribe(request: Request): Promise<number | undefined>;
  unsubscribe(filter: string): Promise<void>;
  /** The reason code of the acknowledgement; undefined at QoS 0, and where the connection ended meanwhile. */
  publish(publication: Publication): Promise<number | undefined>;
  /** All that the broker has sent until it was asked. */
  drain(): Promise<Delivered[]>;
  /** From now on nothing is acknowledged; or everything is, also what has waited. */
  hold(isHolding: boolean): void;
  cut(): Promise<void>;
}

/** The client of this repository: it holds acknowledgements back when it is told to. */
export class ByteClient implements ProofClient {
  readonly #client: MqttTestClient;
  readonly #moments: Moments;
  #sentAfter: number;
  #isHolding = false;
  /** One waits for the broker at a time. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #held: PublishPacket[] = [];
  isClosed = false;

  constructor(client: MqttTestClient, moments: Moments) {
    this.#client = client;
    this.#moments = moments;
    this.#sentAfter = moments.next();
    void client.closed.then(() => (this.isClosed = true));
  }

  static async connect(
    broker: BrokerFixture,
    moments: Moments,
    options: ProofConnect,
    over: "tcp" | "ws",
  ): Promise<{ code: number; client: ByteClient }> {
    const { clientId, password, isPersistent, receiveMaximum, will } = options;
    const stream = await broker.open({
      over,
      clientId,
      password,
      cleanStart: !isPersistent,
      properties: { receiveMaximum, ...(isPersistent && { sessionExpiryInterval: 100_000_000 }) },
      ...(will && { will }),
    });
    const client = new ByteClient(stream, moments);
    const { reasonCode } = await stream.connect();
    return { code: reasonCode, client };
  }

  async subscribe({ filter, identifier, since, ...options }: Request): Promise<number | undefined> {
    const properties = {
      ...(identifier !== undefined && { subscriptionIdentifier: identifier }),
      ...(since !== undefined && { userProperties: [["since", since] as const] }),
    };
    const request = { topicFilter: filter, ...options };
    const suback = await this.#inTurn(() => this.#client.subscribe(request, properties));
    return suback?.reasonCodes[0];
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.#inTurn(() => this.#client.unsubscribe(filter));
  }

  async publish({ topic, payload, responseTopic, ...options }: Publication): Promise<number | undefined> {
    const properties = responseTopic === undefined ? {} : { properties: { responseTopic } };
    const how = { ...options, ...properties };
    const answer = await this.#inTurn(() => this.#client.publish(topic, payload, how));
    return answer?.reasonCode;
  }

  async drain(): Promise<Delivered[]> {
    const [from, asked] = [this.#sentAfter, this.#moments.next()];
    this.#client.send({ type: "pingreq" });
    const packets: PublishPacket[] = [];
    try {
      for (;;) {
        const packet = await this.#client.receive();
        if (packet.type === "pingresp") break;
        if (packet.type === "pubrel") this.#client.send({ ...packet, type: "pubcomp", reasonCode: 0 });
        if (packet.type === "publish") packets.push(packet);
      }
    } catch (error) {
      await this.#endOr(error);
    }
    this.#sentAfter = asked;
    for (const packet of packets) this.#acknowledge(packet);
    const to = this.#moments.next();
    return packets.map((packet) => ({
      ...packet,
      payload: textOf(packet),
      identifiers: packet.properties?.subscriptionIdentifiers ?? [],
      from,
      to,
    }));
  }

  hold(isHolding: boolean): void {
    this.#isHolding = isHolding;
    if (!isHolding) for (const packet of this.#held.splice(0)) this.#acknowledge(packet);
  }

  async cut(): Promise<void> {
    await this.#client.cut();
  }

  #inTurn<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
    const asked = this.#last.then(ask).catch((error: unknown) => this.#endOr(error));
    this.#last = asked;
    return asked;
  }

  #acknowledge(packet: PublishPacket): void {
    const { qos, packetId } = packet;
    if (qos === 0 || this.isClosed) return;
    if (this.#isHolding) this.#held.push(packet);
    else this.#client.send({ type: qos === 1 ? "puback" : "pubrec", packetId, reasonCode: 0 });
  }

  /** The broker may have ended the connection: it is for others to say whether it should have. */
  async #endOr(error: unknown): Promise<undefined> {
    await nextTurn(); // in which its end is heard of
    if (!this.isClosed) throw error;
  }
}

/** MQTT.js: it acknowledges at once. */
export class MqttJsClient implements ProofClient {
  readonly #client: MqttClient;
  readonly #moments: Moments;
  #sentAfter: number;
  #received: Omit<Delivered, "from" | "to">[] = [];
  readonly #closed: Promise<undefined>;
  isClosed = false;

  constructor(client: MqttClient, moments: Moments) {
    this.#client = client;
    this.#moments = moments;
    this.#sentAfter = moments.next();
    this.#closed = new Promise((resolve) => client.once("close", () => resolve(undefined)));
    void this.#closed.then(() => (this.isClosed = true));
    client.on("packetreceive", (packet) => this.#look(packet));
    client.on("error", () => {}); // what it is about is seen by what does not come
  }

  static async connect(
    broker: BrokerFixture,
    moments: Moments,
    options: ProofConnect,
    over: "tcp" | "ws",
  ): Promise<{ code: number; client: MqttJsClient }> {
    const { mqtt, http } = broker.addresses;
    const url = over === "tcp" ? `mqtt://127.0.0.1:${mqtt.port}` : `ws://127.0.0.1:${http.port}/mqtt`;
    const { clientId, password, isPersistent, receiveMaximum, will } = options;
    const library = connect(url, {
      protocolVersion: 5,
      clientId,
      password,
      username: "any",
      clean: !isPersistent,
      keepalive: 0,
      reconnectPeriod: 0,
      properties: { receiveMaximum, ...(isPersistent && { sessionExpiryInterval: 100_000_000 }) },
      ...(will && { will: { ...will, payload: Buffer.from(will.payload), properties: {} } }),
    });
    const client = new MqttJsClient(library, moments);
    const code = await new Promise<number>((resolve, reject) => {
      library.once("packetreceive", ({ reasonCode }: Packet & { reasonCode?: number }) =>
        resolve(reasonCode ?? -1),
      );
      library.once("close", () => reject(new Error("no CONNACK came")));
    });
    if (code !== 0) library.end(true);
    return { code, client };
  }

  async subscribe({
    filter,
    qos,
    noLocal,
    retainHandling,
    identifier,
  }: Request): Promise<number | undefined> {
    let code: number | undefined;
    const look = (packet: Packet): void => {
      if (packet.cmd === "suback") code = packet.granted[0] as number;
    };
    this.#client.on("packetreceive", look);
    const properties = identifier === undefined ? {} : { properties: { subscriptionIdentifier: identifier } };
    const options = { qos, nl: noLocal, rap: false, rh: retainHandling, ...properties };
    await this.#answerOf(this.#client.subscribeAsync(filter, options)); // the code tells
    this.#client.off("packetreceive", look);
    return code;
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.#answerOf(this.#client.unsubscribeAsync(filter));
  }

  async publish({ topic, payload, qos, retain, responseTopic }: Publication): Promise<number | undefined> {
    const properties = responseTopic === undefined ? {} : { properties: { responseTopic } };
    const sent = this.#client.publishAsync(topic, payload, { qos, retain, ...properties });
    const code = sent.then(
      () => (qos === 0 ? undefined : 0),
      (error: { code?: number }) => error.code,
    );
    return this.#answerOf(code);
  }

  async drain(): Promise<Delivered[]> {
    const [from, asked] = [this.#sentAfter, this.#moments.next()];
    if (!this.isClosed) await this.#ping();
    this.#sentAfter = asked;
    const to = this.#moments.next();
    return this.#received.splice(0).map((one) => ({ ...one, from, to }));
  }

  hold(): void {}

  async cut(): Promise<void> {
    this.#client.stream.destroy();
    await this.#closed;
    this.#client.end(true);
  }

  #ping(): Promise<void> {
    return new Promise((resolve) => {
      const look = (packet?: Packet): void => {
        if (packet !== undefined && packet.cmd !== "pingresp") return;
        this.#client.off("packetreceive", look);
        this.#client.off("close", look);
        resolve();
      };
      this.#client.on("packetreceive", look);
      this.#client.on("close", look);
      this.#client.sendPing();
    });
  }

  /** The library answers nothing when the connection has ended meanwhile. */
  #answerOf<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
    return Promise.race([answer.catch(() => undefined), this.#closed]);
  }

  #look(packet: Packet): void {
    if (packet.cmd !== "publish") return;
    const { topic, payload, qos, retain, dup, properties } = packet;
    const identifiers = [properties?.subscriptionIdentifier ?? []].flat();
    this.#received.push({ topic, payload: payload.toString(), qos, retain, dup, identifiers });
  }
}
