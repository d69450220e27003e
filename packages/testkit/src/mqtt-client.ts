import { encodePacket, PacketDecoder } from "@weir/protocol";
import type {
  AckPacket,
  ConnackPacket,
  ConnectPacket,
  DisconnectPacket,
  Packet,
  ProtocolVersion,
  PublishPacket,
  Qos,
  ServerPacket,
  SubackPacket,
  SubscribePacket,
  SubscriptionRequest,
  UnsubackPacket,
} from "@weir/protocol";
import type { WebSocket } from "ws";
import { openStream } from "./mqtt-client-stream.ts";
import type { ClientStream, StreamOptions } from "./mqtt-client-stream.ts";
import { packetBytes } from "./packets.ts";

/** For what has to come: longer than a machine that is busy otherwise ever takes. */
const TIMEOUT_MS = 20_000;
const MAX_PACKET_BYTES = 268_435_460;

/** The packet of a type; the four acknowledgements share one. */
type Received<Type extends ServerPacket["type"], Candidate = ServerPacket> = Candidate extends ServerPacket
  ? Type extends Candidate["type"]
    ? Candidate
    : never
  : never;

export interface ClientOptions
  extends StreamOptions, Partial<Omit<ConnectPacket, "type" | "protocolVersion" | "password">> {
  /** 5 by default. */
  readonly version?: ProtocolVersion;
  readonly password?: string | Uint8Array;
}

/** How a connection has ended. */
export interface Ending {
  /** The DISCONNECT that the broker sent last, if it did. */
  readonly disconnect: DisconnectPacket | undefined;
  /** Of the WebSocket's close frame. */
  readonly webSocketCode: number | undefined;
}

/** A subscription of which only the filter has to be said; QoS 0 and no options are the default. */
export type FilterRequest = string | (Partial<SubscriptionRequest> & { readonly topicFilter: string });

export interface PublishOptions {
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly dup?: boolean;
  /** The next free one by default. */
  readonly packetId?: number;
  readonly properties?: PublishPacket["properties"];
}

/** The network connection, without a word of MQTT. */
export async function openClient(port: number, options: ClientOptions = {}): Promise<MqttTestClient> {
  return new MqttTestClient(await openStream(port, options), options);
}

/** A client whose CONNECT was accepted. Rejects with the reason code if it was not. */
export async function connectedClient(port: number, options: ClientOptions = {}): Promise<MqttTestClient> {
  const client = await openClient(port, options);
  const { reasonCode } = await client.connect();
  if (reasonCode !== 0) throw new Error(`CONNECT was refused with 0x${reasonCode.toString(16)}`);
  return client;
}

/**
 * A client that does what a test says and nothing else: no acknowledgement, no ping, no second try. Packets are
 * received in the order in which they came.
 */
export class MqttTestClient {
  readonly version: ProtocolVersion;
  /** Resolves when the network connection has ended. */
  readonly closed: Promise<Ending>;
  /** Underneath, for clients over ws and wss. */
  readonly webSocket: WebSocket | undefined;
  /** Chunks as they came: how the broker has written, more or less. */
  readonly chunks: Buffer[] = [];
  /** The CONNACK that `connect` got. */
  connack: ConnackPacket | undefined;
  readonly #options: ClientOptions;
  readonly #stream: ClientStream;
  readonly #decoder: PacketDecoder;
  readonly #inbox: ServerPacket[] = [];
  #lastDisconnect: DisconnectPacket | undefined;
  #isClosed = false;
  #failure: unknown;
  #wake: (() => void) | undefined;
  #lastPacketId = 0;

  constructor(stream: ClientStream, options: ClientOptions) {
    this.version = options.version ?? 5;
    this.webSocket = stream.webSocket;
    this.#options = options;
    this.#stream = stream;
    this.#decoder = new PacketDecoder({
      from: "server",
      maxPacketBytes: MAX_PACKET_BYTES,
      protocolVersion: this.version,
    });
    this.closed = this.#follow(stream);
  }

  // ── Any packet

  /** Bytes, hexadecimal digits with comments (see `packetBytes`), or a packet. */
  send(...what: readonly (Uint8Array | string | Packet)[]): void {
    this.#stream.write(Buffer.concat(what.map((one) => this.#bytesOf(one))));
  }

  /** The next packet. Rejects if it is of another type, if none comes, or if the connection ends. */
  async receive(): Promise<ServerPacket>;
  async receive<Type extends ServerPacket["type"]>(type: Type): Promise<Received<Type>>;
  async receive(type?: ServerPacket["type"]): Promise<ServerPacket> {
    await this.#until(() => this.#inbox.length > 0, type ?? "a packet");
    const packet = this.#inbox.shift() as ServerPacket;
    if (type === undefined || packet.type === type) return packet;
    throw new Error(`expected ${type}, received ${JSON.stringify(packet)}`);
  }

  /** So many packets of the type, one after the other. */
  async receiveAll<Type extends ServerPacket["type"]>(type: Type, count: number): Promise<Received<Type>[]> {
    const packets: Received<Type>[] = [];
    while (packets.length < count) packets.push(await this.receive(type));
    return packets;
  }

  /** Rejects if the broker says anything before it answers a PINGREQ. */
  async expectSilence(): Promise<void> {
    this.send({ type: "pingreq" });
    await this.receive("pingresp");
  }

  // ── What clients do

  /** Sends CONNECT, and gives the answer. What is given here goes before what the client was opened with. */
  async connect(overrides: Partial<ConnectPacket> = {}): Promise<ConnackPacket> {
    this.send({ ...this.connectPacket(), ...overrides });
    this.connack = await this.receive("connack");
    return this.connack;
  }

  /** The CONNECT that `connect` sends. */
  connectPacket(): ConnectPacket {
    const {
      clientId = "",
      cleanStart = true,
      keepAlive = 0,
      properties = {},
      will,
      username,
    } = this.#options;
    const password = this.#options.password;
    return {
      type: "connect",
      protocolVersion: this.version,
      clientId,
      cleanStart,
      keepAlive,
      properties,
      ...(will !== undefined && { will }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: bytesOfText(password) }),
    };
  }

  /** Sends SUBSCRIBE, and gives the answer. What else comes meanwhile stays to be received. */
  async subscribe(
    filters: FilterRequest | readonly FilterRequest[],
    properties?: SubscribePacket["properties"],
  ): Promise<SubackPacket> {
    const packetId = this.nextPacketId();
    const subscriptions = [filters].flat().map((filter) => requestOf(filter));
    this.send({ type: "subscribe", packetId, subscriptions, ...(properties && { properties }) });
    return this.#receiveAnswer("suback", packetId);
  }

  /** Sends UNSUBSCRIBE, and gives the answer. */
  async unsubscribe(...topicFilters: readonly string[]): Promise<UnsubackPacket> {
    const packetId = this.nextPacketId();
    this.send({ type: "unsubscribe", packetId, topicFilters });
    return this.#receiveAnswer("unsuback", packetId);
  }

  /** Publishes, and gives the first answer: PUBACK, PUBREC (then PUBREL and PUBCOMP follow by themselves), or none. */
  async publish(
    topic: string,
    payload: string | Uint8Array,
    options: PublishOptions = {},
  ): Promise<AckPacket | undefined> {
    const packet = this.publishPacket(topic, payload, options);
    this.send(packet);
    if (packet.qos === 0) return undefined;
    const answer = await this.#receiveAnswer(packet.qos === 1 ? "puback" : "pubrec", packet.packetId);
    if (packet.qos === 2 && answer.reasonCode < 0x80) await this.release(packet.packetId);
    return answer;
  }

  publishPacket(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): PublishPacket {
    const { qos = 0, retain = false, dup = false, properties } = options;
    const packetId = qos === 0 ? 0 : (options.packetId ?? this.nextPacketId());
    const packet = {
      type: "publish",
      topic,
      payload: bytesOfText(payload),
      qos,
      retain,
      dup,
      packetId,
    } as const;
    return properties === undefined ? packet : { ...packet, properties };
  }

  /** Sends PUBREL, and gives the PUBCOMP. */
  async release(packetId: number): Promise<AckPacket> {
    this.send({ type: "pubrel", packetId, reasonCode: 0 });
    return this.#receiveAnswer("pubcomp", packetId);
  }

  /** Receives a PUBLISH, and acknowledges it as its QoS asks. */
  async receiveMessage(): Promise<PublishPacket> {
    const packet = await this.receive("publish");
    await this.acknowledge(packet);
    return packet;
  }

  /** PUBACK; or PUBREC and, after the broker's PUBREL, PUBCOMP. */
  async acknowledge({ qos, packetId }: PublishPacket): Promise<void> {
    if (qos === 1) this.send({ type: "puback", packetId, reasonCode: 0 });
    if (qos !== 2) return;
    this.send({ type: "pubrec", packetId, reasonCode: 0 });
    await this.#receiveAnswer("pubrel", packetId);
    this.send({ type: "pubcomp", packetId, reasonCode: 0 });
  }

  /** 1, 2, 3, … */
  nextPacketId(): number {
    this.#lastPacketId = (this.#lastPacketId % 65_535) + 1;
    return this.#lastPacketId;
  }

  /** Sends DISCONNECT and ends the connection, in good order. */
  async disconnect(packet: Partial<DisconnectPacket> = {}): Promise<Ending> {
    this.send({ type: "disconnect", reasonCode: 0, ...packet });
    this.#stream.end();
    return this.closed;
  }

  // ── The network

  /** Reads nothing until `thaw`, so that the broker's bytes pile up. */
  freeze(): void {
    this.#stream.pause();
  }

  thaw(): void {
    this.#stream.resume();
  }

  /** Ends the sending side only. */
  end(): void {
    this.#stream.end();
  }

  /** Cuts the connection without a DISCONNECT. */
  async cut(): Promise<Ending> {
    this.#stream.destroy();
    return this.closed;
  }

  #bytesOf(what: Uint8Array | string | Packet): Uint8Array {
    if (typeof what === "string") return packetBytes(what);
    return what instanceof Uint8Array ? what : encodePacket(what, this.version);
  }

  #follow(stream: ClientStream): Promise<Ending> {
    stream.onData((chunk) => this.#onChunk(chunk));
    return new Promise((resolve) => {
      stream.onClose((webSocketCode) => {
        this.#isClosed = true;
        this.#wake?.();
        resolve({ disconnect: this.#lastDisconnect, webSocketCode });
      });
    });
  }

  #onChunk(chunk: Buffer): void {
    this.chunks.push(chunk);
    try {
      this.#decoder.push(chunk);
      for (let packet = this.#decoder.next(); packet !== undefined; packet = this.#decoder.next()) {
        if (packet.type === "disconnect") this.#lastDisconnect = packet;
        this.#inbox.push(packet as ServerPacket);
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#wake?.();
  }

  async #receiveAnswer<Type extends "suback" | "unsuback" | AckPacket["type"]>(
    type: Type,
    packetId: number,
  ): Promise<Received<Type>> {
    const isAnswer = (packet: ServerPacket): packet is Received<Type> =>
      packet.type === type && (packet as AckPacket).packetId === packetId;
    await this.#until(() => this.#inbox.some(isAnswer), `${type} ${packetId}`);
    const [answer] = this.#inbox.splice(this.#inbox.findIndex(isAnswer), 1);
    return answer as Received<Type>;
  }

  /** Waits for what the next chunks bring. One waits at a time. */
  async #until(isThere: () => boolean, what: string): Promise<void> {
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort();
      this.#wake?.();
    }, TIMEOUT_MS);
    while (!isThere() && !deadline.signal.aborted && !this.#isClosed && this.#failure === undefined) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    clearTimeout(timer);
    if (isThere()) return;
    const reason = this.#isClosed ? "the connection has ended" : "nothing of that kind came";
    throw new Error(`waited for ${what}: ${reason}${this.#lastWord()}`, { cause: this.#failure });
  }

  #lastWord(): string {
    return this.#inbox.length === 0 ? "" : ` (${this.#inbox.map((packet) => packet.type).join(", ")} came)`;
  }
}

function requestOf(filter: FilterRequest): SubscriptionRequest {
  const defaults = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return typeof filter === "string" ? { ...defaults, topicFilter: filter } : { ...defaults, ...filter };
}

function bytesOfText(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? Buffer.from(text) : text;
}
