import { headerOfPublish, publishSize, writePublish } from "@weir/protocol";
import type { ProtocolVersion, PublishPacket, Qos } from "@weir/protocol";
import type { Message } from "../core/ports/message.ts";
import type { OutgoingPublish } from "../core/ports/transport.ts";
import { bufferTextCodec } from "./buffer-text-codec.ts";
import { publishHeadSize, writePublishHead } from "./publish-head.ts";
import { MAX_COPIED_BYTES } from "./write-queue.ts";

/** A PUBLISH that was encoded once and is copied for each receiver, with its own flags and packet id. */
export class SharedFrame {
  /** The packet, without the payload where that is large. */
  readonly head: Uint8Array;
  /** What follows the head by reference. */
  readonly payload: Uint8Array | undefined;
  /** Of the whole packet in bytes. */
  readonly size: number;
  readonly #packetIdAt: number;

  constructor(packet: PublishPacket, version: ProtocolVersion) {
    const size = publishSize(packet, version, bufferTextCodec);
    const isLarge = packet.payload.length > MAX_COPIED_BYTES;
    const head = Buffer.allocUnsafe(isLarge ? publishHeadSize(packet, size) : size);
    if (isLarge) writePublishHead(head, 0, { packet, size, version });
    else writePublish(head, 0, packet, version, bufferTextCodec);
    this.head = head;
    this.payload = isLarge ? packet.payload : undefined;
    this.size = size;
    this.#packetIdAt = packetIdAt(head);
  }

  /** Puts the head at `offset`, as this receiver gets it. */
  copyHead(target: Uint8Array, offset: number, how: OutgoingPublish): void {
    target.set(this.head, offset);
    target[offset] = headerOfPublish(how.qos, how.retain, how.dup);
    if (how.qos === 0) return;
    target[offset + this.#packetIdAt] = how.packetId >>> 8;
    target[offset + this.#packetIdAt + 1] = how.packetId;
  }
}

/** A message's frames: before 5.0 and for it, at QoS 0 and above. */
class SharedFrames {
  readonly #frames: (SharedFrame | undefined)[] = [undefined, undefined, undefined, undefined];

  of(message: Message, qos: Qos, version: ProtocolVersion): SharedFrame {
    const index = (version === 5 ? 2 : 0) + (qos === 0 ? 0 : 1);
    return (this.#frames[index] ??= new SharedFrame(packetForAll(message, qos), version));
  }
}

/** Kept in `Message.frames` after the first receiver: until then nobody knows that there will be a second. */
const WRITTEN_ONCE: unique symbol = Symbol("written once");

/**
 * The frame that all receivers of a message share who get it without properties of their own; undefined for the first
 * of them, whose packet is cheaper to write straight into its queue.
 *
 * @throws RangeError if MQTT has no packet of that size
 */
export function sharedFrameOf(message: Message, qos: Qos, version: ProtocolVersion): SharedFrame | undefined {
  if (message.frames === undefined) {
    message.frames = WRITTEN_ONCE;
    return undefined;
  }
  if (!(message.frames instanceof SharedFrames)) message.frames = new SharedFrames();
  return (message.frames as SharedFrames).of(message, qos, version);
}

function packetForAll(message: Message, qos: Qos): PublishPacket {
  const packet = {
    type: "publish",
    topic: message.topic.name,
    payload: message.payload,
    qos,
    retain: false,
    dup: false,
    packetId: qos === 0 ? 0 : 1,
  } as const;
  return message.properties === undefined ? packet : { ...packet, properties: message.properties };
}

function packetIdAt(frame: Uint8Array): number {
  let offset = 1;
  while ((frame[offset] as number) >= 0x80) offset++;
  const topicBytes = ((frame[offset + 1] as number) << 8) | (frame[offset + 2] as number);
  return offset + 3 + topicBytes;
}
