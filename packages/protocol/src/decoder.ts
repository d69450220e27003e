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

/** What the decoders of one kind of peer have in common: they read one packet at a time, so one reader serves all. */
interface DecoderTerms {
  readonly from: "client" | "server";
  readonly sendable: number;
  readonly maxPacketBytes: number;
  readonly maxConnectBytes: number;
  readonly reader: Reader;
}

const termsByOptions = new WeakMap<PacketDecoderOptions, DecoderTerms>();

function termsOf(options: PacketDecoderOptions): DecoderTerms {
  let terms = termsByOptions.get(options);
  if (terms !== undefined) return terms;
  const { from, maxPacketBytes, maxConnectBytes = Infinity, text = pureTextCodec } = options;
  const { maxUserProperties = Infinity, maxTopicFilters = Infinity } = options;
  const reader = new Reader(text, { maxUserProperties, maxTopicFilters });
  terms = { from, sendable: sendableTypes(from), maxPacketBytes, maxConnectBytes, reader };
  termsByOptions.set(options, terms);
  return terms;
}

/**
 * Turns what one peer sends into packets: the same ones, however the bytes are cut into chunks.
 *
 * A packet that lies whole in one chunk is read in place, and its payload, correlation data and the like are views of
 * that chunk: do not reuse a chunk, and copy what you keep for long, as a small view holds the whole chunk.
 *
 * A server with many connections gives all of them the same options object: they share what follows from it.
 *
 * @example
 * const decoder = new PacketDecoder({ from: "client", maxPacketBytes: 1_048_576 });
 * decoder.push(chunk);
 * for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) handle(packet);
 */
export class PacketDecoder {
  /** What the packets are read as; a CONNECT sets it once its variable header is sound, whatever follows. */
  protocolVersion: ProtocolVersion;

  readonly #terms: DecoderTerms;
  readonly #topics = new TopicMemory();
  /** While a packet has not come whole. */
  #partial: FrameBuffer | undefined;
  #waiting: Uint8Array[] | undefined;
  #waitingFrom = 0;
  #connect: "first" | "allowed" | "seen";
  #chunk: Uint8Array = NO_BYTES;
  #offset = 0;
  #headerBytes = 0;
  #frameBytes = 0;
  #failure: Error | undefined;

  constructor(options: PacketDecoderOptions) {
    this.#terms = termsOf(options);
    this.protocolVersion = options.protocolVersion ?? 4;
    this.#connect = options.from === "client" && options.protocolVersion === undefined ? "first" : "allowed";
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    if (this.#offset < this.#chunk.length) {
      this.#waiting ??= [];
      this.#waiting.push(chunk);
      return;
    }
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /** Bytes that were pushed and of which no packet was given yet: after `next()` gave undefined, an unfinished packet's. */
  get bufferedBytes(): number {
    const waiting = this.#waiting ?? [];
    let bytes = (this.#partial?.length ?? 0) + this.#chunk.length - this.#offset;
    for (let index = this.#waitingFrom; index < waiting.length; index++) bytes += waiting[index]!.length;
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

  /** Until a CONNECT of MQTT 5 is there nobody is answered: the older ones have no return code for what is malformed. */
  #asToldToPeer(error: unknown): Error {
    const isUnanswered = this.#connect === "first" && this.protocolVersion !== 5;
    return (isUnanswered ? silenced(error) : error) as Error;
  }

  #take(): Packet | undefined {
    for (;;) {
      const packet = this.#partial === undefined ? this.#takeWhole() : this.#takeCollected(this.#partial);
      if (packet !== undefined) return packet;
      if (!this.#nextChunk()) return undefined;
    }
  }

  #nextChunk(): boolean {
    const chunk = this.#waiting?.[this.#waitingFrom++];
    this.#chunk = chunk ?? NO_BYTES;
    this.#offset = 0;
    if (chunk !== undefined) return true;
    this.#waiting = undefined;
    this.#waitingFrom = 0;
    this.#letGo();
    return false;
  }

  #letGo(): void {
    this.#terms.reader.release();
  }

  /** The packet at the chunk's offset if all of it is there; else collects what is. */
  #takeWhole(): Packet | undefined {
    const chunk = this.#chunk;
    const start = this.#offset;
    if (start === chunk.length) return undefined;
    if (!this.#readHeader(chunk, start, chunk.length) || this.#frameBytes > chunk.length - start) {
      return this.#takeCollected((this.#partial = new FrameBuffer()));
    }
    this.#offset = start + this.#frameBytes;
    return this.#read(chunk, start, this.#offset);
  }

  /** Moves bytes from the chunk to the unfinished packet, and gives that once it is whole. */
  #takeCollected(partial: FrameBuffer): Packet | undefined {
    while (!this.#readHeader(partial.bytes, 0, partial.length)) {
      if (this.#offset === this.#chunk.length) return undefined;
      partial.append(this.#chunk, this.#offset, ++this.#offset, MAX_HEADER_BYTES);
    }
    const missing = this.#frameBytes - partial.length;
    const end = Math.min(this.#chunk.length, this.#offset + missing);
    partial.append(this.#chunk, this.#offset, end, this.#frameBytes);
    this.#offset = end;
    if (partial.length < this.#frameBytes) return undefined;
    this.#partial = undefined;
    return this.#read(partial.bytes, 0, this.#frameBytes);
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
    if (this.#frameBytes > this.#terms.maxPacketBytes) {
      throw new PacketBoundError("maxPacketBytes", `a packet of ${this.#frameBytes} bytes is too large`);
    }
    if (this.#connect === "first" && this.#frameBytes > this.#terms.maxConnectBytes) {
      throw new PacketBoundError("maxConnectBytes", `a CONNECT of ${this.#frameBytes} bytes is too large`);
    }
    return true;
  }

  #checkFirstByte(header: number): void {
    const type = header >> 4;
    const flags = header & 0x0f;
    if ((this.#terms.sendable & (1 << type)) === 0)
      throw violation(`a ${this.#terms.from} must not send packets of type ${type}`);
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
    const { reader } = this.#terms;
    const header = bytes[start]!;
    reader.reset(bytes, start + this.#headerBytes, end);
    const packet = this.#readFields(header);
    if (reader.offset !== end) throw malformed("bytes stand behind the packet's last field");
    if (this.protocolVersion === 5) this.#checkShortest(end - start);
    if (packet.type === "connect") this.#connect = "seen";
    return packet;
  }

  // [MQTT-1.5.5-1]; the versions before 5 do not ask for the shortest form
  #checkShortest(frameBytes: number): void {
    const remaining = frameBytes - this.#headerBytes;
    const needed = remaining < 0x80 ? 2 : remaining < 0x4000 ? 3 : remaining < 0x20_0000 ? 4 : 5;
    if (this.#headerBytes !== needed) throw malformed("the remaining length is longer than it needs to be");
  }

  #readFields(header: number): Packet {
    const { reader } = this.#terms;
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
    const { reader } = this.#terms;
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
        return readDisconnect(reader, version, this.#terms.from);
      default:
        return readAuth(reader, this.#terms.from);
    }
  }

  #readPublish(header: number): PublishPacket {
    const packet = readPublish(this.#terms.reader, header, this.protocolVersion, this.#topics);
    // [MQTT-3.3.4-6]
    if (packet.properties?.subscriptionIdentifiers !== undefined && this.#terms.from === "client") {
      throw violation("a client's PUBLISH has a subscription identifier");
    }
    return packet;
  }

  #readConnect(headerFlags: number): ConnectPacket {
    const { reader } = this.#terms;
    const head = readConnectHead(reader, headerFlags);
    this.protocolVersion = head.version;
    return readConnectBody(reader, head);
  }
}
