import {
  copyPublish,
  encodePacket,
  headerOfPublish,
  PacketDecoder,
  type AckPacket,
  type ConnackPacket,
  type DisconnectPacket,
  type Packet,
  type PublishPacket,
  type Qos,
  type SubackPacket,
} from "@weir/protocol";
import type { BenchStream } from "./bench-stream.ts";

const SLAB_BYTES = 65_536;
const MAX_PACKET_BYTES = 268_435_460;
const DEFAULT_RECEIVE_MAXIMUM = 65_535;
/** A broker that does not read is not given more. */
const MAX_UNSENT_BYTES = 1_048_576;

export interface BenchCredentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface BenchClientOptions {
  readonly clientId: string;
  readonly version: 4 | 5;
  readonly credentials: BenchCredentials;
  readonly onMessage: (packet: PublishPacket) => void;
  /** A message of QoS 1 or 2 is done; 0x80 and more: refused. */
  readonly onSettled: (reasonCode: number) => void;
  /** The connection has ended without this side's doing. */
  readonly onLost: (why: string) => void;
}

/** CONNECT or SUBSCRIBE was refused. */
export class BenchRefusal extends Error {
  override readonly name = "BenchRefusal";
  readonly reasonCode: number;

  constructor(what: string, reasonCode: number) {
    super(what);
    this.reasonCode = reasonCode;
  }
}

/** An MQTT client without comfort: what it sends in one turn of the event loop leaves in one write. */
export class BenchClient {
  inFlight = 0;
  readonly version: 4 | 5;
  readonly #options: BenchClientOptions;
  readonly #stream: BenchStream;
  readonly #decoder: PacketDecoder;
  #receiveMaximum = DEFAULT_RECEIVE_MAXIMUM;
  #slab = Buffer.allocUnsafe(SLAB_BYTES);
  #from = 0;
  #to = 0;
  #lastPacketId = 0;
  #onAnswer: ((packet: ConnackPacket | SubackPacket) => void) | undefined;
  #onFailure: ((error: Error) => void) | undefined;
  #isEnding = false;
  #disconnect: DisconnectPacket | undefined;

  constructor(stream: BenchStream, options: BenchClientOptions) {
    this.#stream = stream;
    this.#options = options;
    this.version = options.version;
    this.#decoder = new PacketDecoder({
      from: "server",
      maxPacketBytes: MAX_PACKET_BYTES,
      protocolVersion: options.version,
    });
    stream.onData((chunk) => this.#onChunk(chunk));
    stream.onClose((error) => this.#onClose(error?.message ?? "the broker closed the connection"));
  }

  /** @throws {BenchRefusal} */
  async connect(): Promise<void> {
    const { clientId, version, credentials } = this.#options;
    const { username, password } = credentials;
    const answer = await this.#ask({
      type: "connect",
      protocolVersion: version,
      clientId,
      cleanStart: true,
      keepAlive: 0,
      properties: {},
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: Buffer.from(password) }),
    });
    if (answer.type !== "connack") throw new Error(`${answer.type} came instead of CONNACK`);
    if (answer.reasonCode !== 0) throw new BenchRefusal("CONNECT", answer.reasonCode);
    this.#receiveMaximum = answer.properties?.receiveMaximum ?? DEFAULT_RECEIVE_MAXIMUM;
  }

  /** @throws {BenchRefusal} */
  async subscribe(topicFilter: string, qos: Qos): Promise<void> {
    const options = { qos, noLocal: false, retainAsPublished: false, retainHandling: 2 } as const;
    const answer = await this.#ask({
      type: "subscribe",
      packetId: this.#nextPacketId(),
      subscriptions: [{ topicFilter, ...options }],
    });
    if (answer.type !== "suback") throw new Error(`${answer.type} came instead of SUBACK`);
    const [reasonCode = 0x80] = answer.reasonCodes;
    if (reasonCode >= 0x80) throw new BenchRefusal(`SUBSCRIBE ${topicFilter}`, reasonCode);
  }

  /** Whether another message may be sent now. */
  hasRoom(maxInFlight: number): boolean {
    return (
      this.inFlight < Math.min(maxInFlight, this.#receiveMaximum) &&
      this.#stream.unsentBytes < MAX_UNSENT_BYTES &&
      !this.#isEnding
    );
  }

  /** Takes a copy of a PUBLISH, under the next packet id; `flush` sends it. */
  publish(frame: Buffer, qos: Qos): void {
    this.#reserve(frame.length);
    if (qos === 0) this.#to += frame.copy(this.#slab, this.#to);
    else {
      const header = headerOfPublish(qos, false, false);
      this.#to = copyPublish(this.#slab, this.#to, frame, header, this.#nextPacketId());
      this.inFlight++;
    }
  }

  flush(): void {
    if (this.#from === this.#to) return;
    this.#stream.write(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#send({ type: "disconnect", reasonCode: 0 });
    this.flush();
    this.#stream.end();
  }

  #ask(packet: Packet): Promise<ConnackPacket | SubackPacket> {
    return new Promise((resolve, reject) => {
      this.#onAnswer = resolve;
      this.#onFailure = reject;
      this.#send(packet);
      this.flush();
    });
  }

  #send(packet: Packet): void {
    const bytes = encodePacket(packet, this.#options.version);
    this.#reserve(bytes.length);
    this.#slab.set(bytes, this.#to);
    this.#to += bytes.length;
  }

  /** The written part of a slab belongs to the socket: it is never written again. */
  #reserve(bytes: number): void {
    if (this.#to + bytes <= this.#slab.length) return;
    this.flush();
    this.#slab = Buffer.allocUnsafe(Math.max(SLAB_BYTES, bytes));
    this.#from = this.#to = 0;
  }

  #nextPacketId(): number {
    this.#lastPacketId = (this.#lastPacketId % 65_535) + 1;
    return this.#lastPacketId;
  }

  #onChunk(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk);
      for (let packet = this.#decoder.next(); packet !== undefined; packet = this.#decoder.next())
        this.#onPacket(packet);
    } catch (error) {
      this.#onClose(`the broker sent what MQTT forbids: ${(error as Error).message}`);
      this.#stream.end();
    }
    this.flush();
  }

  #onPacket(packet: Packet): void {
    switch (packet.type) {
      case "publish":
        return this.#onPublish(packet);
      case "puback":
      case "pubcomp":
        return this.#settle(packet.reasonCode);
      case "pubrec":
        if (packet.reasonCode >= 0x80) return this.#settle(packet.reasonCode);
        return this.#acknowledge("pubrel", packet.packetId);
      case "pubrel":
        return this.#acknowledge("pubcomp", packet.packetId);
      case "connack":
      case "suback":
        return this.#onAnswer?.(packet);
      case "disconnect":
        this.#disconnect = packet;
        return;
      default:
    }
  }

  #onPublish(packet: PublishPacket): void {
    if (packet.qos > 0) this.#acknowledge(packet.qos === 1 ? "puback" : "pubrec", packet.packetId);
    this.#options.onMessage(packet);
  }

  #acknowledge(type: AckPacket["type"], packetId: number): void {
    this.#send({ type, packetId, reasonCode: 0 });
  }

  #settle(reasonCode: number): void {
    this.inFlight--;
    this.#options.onSettled(reasonCode);
  }

  #onClose(why: string): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const code = this.#disconnect?.reasonCode;
    const told = code === undefined ? why : `DISCONNECT 0x${code.toString(16).toUpperCase()}`;
    this.#onFailure?.(new Error(told));
    this.#options.onLost(told);
  }
}
