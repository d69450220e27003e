import { FrameBuffer } from "./frame-buffer.ts";
import { hasReservedFlag, PacketType, sendableTypes } from "./packet-type.ts";
import { readAck } from "./packets/ack.ts";
import { readAuth } from "./packets/auth.ts";
import { readConnack } from "./packets/connack.ts";
import { readConnectBody, readConnectHead } from "./packets/connect.ts";
import { readDisconnect } from "./packets/disconnect.ts";
import { checkPublishFlags, readPublish } from "./packets/publish.ts";
import { readSuback } from "./packets/suback.ts";
import { readSubscribe } from "./packets/subscribe.ts";
import { TopicMemory } from "./packets/topic-memory.ts";
import { readUnsuback } from "./packets/unsuback.ts";
import { readUnsubscribe } from "./packets/unsubscribe.ts";
import { malformed, PacketBoundError, silenced, violation } from "./protocol-error.ts";
import { Reader } from "./reader.ts";
import { pureTextCodec } from "./text-codec.ts";
import type {
  ConnectPacket,
  Packet,
  PingreqPacket,
  PingrespPacket,
  ProtocolVersion,
  PublishPacket,
} from "./packet.ts";
import type { TextCodec } from "./text-codec.ts";

const NO_BYTES = new Uint8Array(0);
const MAX_HEADER_BYTES = 5;
const PINGREQ: PingreqPacket = Object.freeze({ type: "pingreq" });
const PINGRESP: PingrespPacket = Object.freeze({ type: "pingresp" });

export interface PacketDecoderOptions {
  /** Whose packets these are. The other side's types are refused with 0x82. */
  readonly from: "client" | "server";
  /** The largest packet with its header; a larger one is refused with 0x95 before it is collected. */
  readonly maxPacketBytes: number;
  /** The largest CONNECT, whose sender is not known yet; a larger one is refused with 0x95. No bound by default. */
  readonly maxConnectBytes?: number;
  /** User properties of a packet (and of its will); more are refused with 0x97. No bound by default. */
  readonly maxUserProperties?: number;
  /** Topic filters of a SUBSCRIBE or UNSUBSCRIBE; more are refused with 0x97. No bound by default. */
  readonly maxTopicFilters?: number;
  readonly text?: TextCodec;
  /**
   * Left out, a client's first packet must be a CONNECT [MQTT-3.1.0-1], which sets the version. Given, it is what a
   * server speaks, or what a client has said before. A server's packets are read as 3.1.1 if it is left out.
   */
  readonly protocolVersion?: ProtocolVersion;
}

/**
 * Turns what one peer sends into packets: the same ones, however the bytes are cut into chunks.
 *
 * A packet that lies whole in one chunk is read in place, and its payload, correlation data and the like are views of
 * that chunk: do not reuse a chunk, and copy what you keep for long, as a small view holds the whole chunk.
 *
 * @example
 * const decoder = new PacketDecoder({ from: "client", maxPacketBytes: 1_048_576 });
 * decoder.push(chunk);
 * for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) handle(packet);
 */
export class PacketDecoder {
  /** What the packets are read as; a CONNECT sets it once its variable header is sound, whatever follows. */
  protocolVersion: ProtocolVersion;

  readonly #from: "client" | "server";
  readonly #sendable: number;
  readonly #maxPacketBytes: number;
  readonly #maxConnectBytes: number;
  readonly #reader: Reader;
  readonly #topics = new TopicMemory();
  readonly #partial = new FrameBuffer();
  #waiting: Uint8Array[] = [];
  #waitingFrom = 0;
  #connect: "first" | "allowed" | "seen";
  #chunk: Uint8Array = NO_BYTES;
  #offset = 0;
  #headerBytes = 0;
  #frameBytes = 0;
  #lastFrame: Uint8Array = NO_BYTES;
  #lastStart = 0;
  #lastEnd = 0;
  #failure: Error | undefined;

  constructor(options: PacketDecoderOptions) {
    this.#from = options.from;
    this.#sendable = sendableTypes(options.from);
    this.#maxPacketBytes = options.maxPacketBytes;
    this.#maxConnectBytes = options.maxConnectBytes ?? Infinity;
    const { maxUserProperties = Infinity, maxTopicFilters = Infinity } = options;
    this.#reader = new Reader(options.text ?? pureTextCodec, { maxUserProperties, maxTopicFilters });
    this.protocolVersion = options.protocolVersion ?? 4;
    this.#connect = options.from === "client" && options.protocolVersion === undefined ? "first" : "allowed";
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    if (this.#offset < this.#chunk.length) {
      this.#waiting.push(chunk);
      return;
    }
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /** Bytes that were pushed and of which no packet was given yet: after `next()` gave undefined, an unfinished packet's. */
  get bufferedBytes(): number {
    let bytes = this.#partial.length + this.#chunk.length - this.#offset;
    for (let index = this.#waitingFrom; index < this.#waiting.length; index++)
      bytes += this.#waiting[index]!.length;
    return bytes;
  }

  /**
   * The next whole packet, or undefined until more bytes come.
   *
   * @throws ProtocolError on what the standard refuses; the connection is to be ended, and every further call throws
   *   the same error
   */
  next(): Packet | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#take();
    } catch (error) {
      this.#failure = this.#asToldToPeer(error);
      this.#letGo();
      throw this.#failure;
    }
  }

  /**
   * The whole frame of the PUBLISH that `next()` gave last, header included, as a view; undefined if that was another
   * packet. To forward a message as it came, at QoS 0 or by `copyPublish`: to a receiver of the same version, if
   * nothing about it changes (RETAIN, DUP, topic alias, subscription identifiers, message expiry).
   * Ask before the next call of `next()`.
   */
  lastFrame(): Uint8Array | undefined {
    if (this.#lastEnd === 0) return undefined;
    const { buffer, byteOffset } = this.#lastFrame;
    return new Uint8Array(buffer, byteOffset + this.#lastStart, this.#lastEnd - this.#lastStart);
  }

  /** Until a CONNECT of MQTT 5 is there nobody is answered: the older ones have no return code for what is malformed. */
  #asToldToPeer(error: unknown): Error {
    const isUnanswered = this.#connect === "first" && this.protocolVersion !== 5;
    return (isUnanswered ? silenced(error) : error) as Error;
  }

  #take(): Packet | undefined {
    this.#lastEnd = 0;
    for (;;) {
      const packet = this.#partial.length === 0 ? this.#takeWhole() : this.#takeCollected();
      if (packet !== undefined) return packet;
      if (!this.#nextChunk()) return undefined;
    }
  }

  #nextChunk(): boolean {
    const chunk = this.#waiting[this.#waitingFrom++];
    this.#chunk = chunk ?? NO_BYTES;
    this.#offset = 0;
    if (chunk !== undefined) return true;
    if (this.#waiting.length > 0) this.#waiting = [];
    this.#waitingFrom = 0;
    this.#letGo();
    return false;
  }

  #letGo(): void {
    this.#reader.release();
    this.#lastFrame = NO_BYTES;
    this.#lastEnd = 0;
  }

  /** The packet at the chunk's offset if all of it is there; else collects what is. */
  #takeWhole(): Packet | undefined {
    const chunk = this.#chunk;
    const start = this.#offset;
    if (start === chunk.length) return undefined;
    if (!this.#readHeader(chunk, start, chunk.length) || this.#frameBytes > chunk.length - start) {
      return this.#takeCollected();
    }
    this.#offset = start + this.#frameBytes;
    return this.#read(chunk, start, this.#offset);
  }

  /** Moves bytes from the chunk to the unfinished packet, and gives that once it is whole. */
  #takeCollected(): Packet | undefined {
    const partial = this.#partial;
    while (!this.#readHeader(partial.bytes, 0, partial.length)) {
      if (this.#offset === this.#chunk.length) return undefined;
      partial.append(this.#chunk, this.#offset, ++this.#offset, MAX_HEADER_BYTES);
    }
    const missing = this.#frameBytes - partial.length;
    const end = Math.min(this.#chunk.length, this.#offset + missing);
    partial.append(this.#chunk, this.#offset, end, this.#frameBytes);
    this.#offset = end;
    if (partial.length < this.#frameBytes) return undefined;
    return this.#read(partial.release(), 0, this.#frameBytes);
  }

  /**
   * Reads the fixed header at `start`, and gives whether all of it is there. Refuses what the first byte or the
   * length alone condemns without waiting for more.
   */
  #readHeader(bytes: Uint8Array, start: number, end: number): boolean {
    if (start === end) return false;
    this.#checkFirstByte(bytes[start]!);
    let remaining = 0;
    for (let count = 1; count < MAX_HEADER_BYTES; count++) {
      if (start + count === end) return false;
      const byte = bytes[start + count]!;
      remaining |= (byte & 0x7f) << (7 * (count - 1));
      if (byte < 0x80) return this.#announce(count + 1, remaining);
    }
    throw malformed("the remaining length has more than 4 bytes");
  }

  #announce(headerBytes: number, remaining: number): boolean {
    this.#headerBytes = headerBytes;
    this.#frameBytes = headerBytes + remaining;
    if (this.#frameBytes > this.#maxPacketBytes) {
      throw new PacketBoundError("maxPacketBytes", `a packet of ${this.#frameBytes} bytes is too large`);
    }
    if (this.#connect === "first" && this.#frameBytes > this.#maxConnectBytes) {
      throw new PacketBoundError("maxConnectBytes", `a CONNECT of ${this.#frameBytes} bytes is too large`);
    }
    return true;
  }

  #checkFirstByte(header: number): void {
    const type = header >> 4;
    const flags = header & 0x0f;
    if ((this.#sendable & (1 << type)) === 0)
      throw violation(`a ${this.#from} must not send packets of type ${type}`);
    if (type === PacketType.publish) checkPublishFlags(flags);
    else if (type !== PacketType.connect) this.#checkFlags(type, flags);
    if (this.#connect !== "allowed") this.#checkOrder(type);
  }

  // [MQTT-2.1.3-1]. MQTT 3.1 does not use the flags of these packets, or has DUP there
  #checkFlags(type: number, flags: number): void {
    if (type === PacketType.auth && this.protocolVersion !== 5) throw violation("AUTH is of MQTT 5 only");
    if (flags === (hasReservedFlag(type) ? 2 : 0) || this.protocolVersion === 3) return;
    throw malformed(`reserved header flags are set in a packet of type ${type}`);
  }

  #checkOrder(type: number): void {
    if (this.#connect === "first" && type !== PacketType.connect) {
      throw violation("the first packet is not CONNECT"); // [MQTT-3.1.0-1]
    }
    if (this.#connect === "seen" && type === PacketType.connect) {
      throw violation("a second CONNECT"); // [MQTT-3.1.0-2]
    }
  }

  #read(bytes: Uint8Array, start: number, end: number): Packet {
    const reader = this.#reader;
    const header = bytes[start]!;
    reader.reset(bytes, start + this.#headerBytes, end);
    const packet = this.#readFields(header);
    if (reader.offset !== end) throw malformed("bytes stand behind the packet's last field");
    if (this.protocolVersion === 5) this.#checkShortest(end - start);
    if (packet.type === "publish") this.#remember(bytes, start, end);
    else if (packet.type === "connect") this.#connect = "seen";
    return packet;
  }

  // [MQTT-1.5.5-1]; the versions before 5 do not ask for the shortest form
  #checkShortest(frameBytes: number): void {
    const remaining = frameBytes - this.#headerBytes;
    const needed = remaining < 0x80 ? 2 : remaining < 0x4000 ? 3 : remaining < 0x20_0000 ? 4 : 5;
    if (this.#headerBytes !== needed) throw malformed("the remaining length is longer than it needs to be");
  }

  #remember(bytes: Uint8Array, start: number, end: number): void {
    this.#lastFrame = bytes;
    this.#lastStart = start;
    this.#lastEnd = end;
  }

  #readFields(header: number): Packet {
    const reader = this.#reader;
    const version = this.protocolVersion;
    switch (header >> 4) {
      case PacketType.publish:
        return this.#readPublish(header);
      case PacketType.puback:
        return readAck(reader, "puback", version);
      case PacketType.pubrec:
        return readAck(reader, "pubrec", version);
      case PacketType.pubrel:
        return readAck(reader, "pubrel", version);
      case PacketType.pubcomp:
        return readAck(reader, "pubcomp", version);
      case PacketType.pingreq:
        return PINGREQ;
      case PacketType.pingresp:
        return PINGRESP;
      default:
        return this.#readRare(header);
    }
  }

  #readRare(header: number): Packet {
    const reader = this.#reader;
    const version = this.protocolVersion;
    switch (header >> 4) {
      case PacketType.connect:
        return this.#readConnect(header & 0x0f);
      case PacketType.connack:
        return readConnack(reader, version);
      case PacketType.subscribe:
        return readSubscribe(reader, version);
      case PacketType.suback:
        return readSuback(reader, version);
      case PacketType.unsubscribe:
        return readUnsubscribe(reader, version);
      case PacketType.unsuback:
        return readUnsuback(reader, version);
      case PacketType.disconnect:
        return readDisconnect(reader, version, this.#from);
      default:
        return readAuth(reader, this.#from);
    }
  }

  #readPublish(header: number): PublishPacket {
    const packet = readPublish(this.#reader, header, this.protocolVersion, this.#topics);
    // [MQTT-3.3.4-6]
    if (packet.properties?.subscriptionIdentifiers !== undefined && this.#from === "client") {
      throw violation("a client's PUBLISH has a subscription identifier");
    }
    return packet;
  }

  #readConnect(headerFlags: number): ConnectPacket {
    const head = readConnectHead(this.#reader, headerFlags);
    this.protocolVersion = head.version;
    return readConnectBody(this.#reader, head);
  }
}
