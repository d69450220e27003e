import { encodeText, publishSize, writePublish } from "@weir/protocol";
import type { PublishPacket, PublishProperties } from "@weir/protocol";
import type { Message, TopicName } from "../core/ports/message.ts";
import type { LinkSettings, OutgoingPublish } from "../core/ports/transport.ts";
import { bufferTextCodec } from "./buffer-text-codec.ts";
import { publishHeadSize, writePublishHead } from "./publish-head.ts";
import { sharedFrameOf } from "./shared-frames.ts";
import type { SharedFrame } from "./shared-frames.ts";
import { MAX_COPIED_BYTES } from "./write-queue.ts";
import type { WriteQueue } from "./write-queue.ts";

/** Writes messages as PUBLISH packets into one connection's queue, in the way that its CONNECT has settled. */
export class PublishWriter {
  readonly #queue: WriteQueue;
  readonly #settings: LinkSettings;
  /** The alias of each topic that has one; only for clients that take any [MQTT-3.1.2-26]. */
  readonly #aliases: Map<string, number> | undefined;

  constructor(queue: WriteQueue, settings: LinkSettings) {
    this.#queue = queue;
    this.#settings = settings;
    const takesAliases = settings.protocolVersion === 5 && settings.outgoingTopicAliasMaximum > 0;
    this.#aliases = takesAliases ? new Map() : undefined;
  }

  /**
   * False: it is larger than the client takes, and nothing was written [MQTT-3.1.2-25].
   *
   * @throws RangeError if MQTT has no such packet at all
   */
  write(message: Message, how: OutgoingPublish): boolean {
    if (!this.#isPlain(how)) return this.#writeOwn(message, how);
    const frame = sharedFrameOf(message, how.qos, this.#settings.protocolVersion);
    return frame === undefined ? this.#writePlain(message, how) : this.#writeCopy(frame, how);
  }

  /** Whether this receiver's packet differs from others' only in its flags and packet id. */
  #isPlain(how: OutgoingPublish): boolean {
    if (this.#settings.protocolVersion !== 5) return true;
    return (
      this.#aliases === undefined &&
      how.subscriptionIdentifiers === undefined &&
      how.messageExpiryInterval === undefined
    );
  }

  #writeCopy(frame: SharedFrame, how: OutgoingPublish): boolean {
    if (frame.size > this.#settings.maxOutgoingPacketBytes) return false;
    const { head, payload } = frame;
    frame.copyHead(this.#queue.reserve(head.length), this.#queue.offset, how);
    this.#queue.commit(head.length);
    if (payload !== undefined) this.#queue.append(payload);
    return true;
  }

  #writePlain(message: Message, how: OutgoingPublish): boolean {
    return this.#encode(
      packetOf(message, message.topic.name, message.properties, how),
      utf8Of(message.topic),
    );
  }

  #writeOwn(message: Message, how: OutgoingPublish): boolean {
    const topic = message.topic.name;
    const known = this.#aliases?.get(topic);
    const fresh = known === undefined ? this.#freeAlias() : undefined;
    const properties = ownProperties(message, how, known ?? fresh);
    const isWritten = this.#encode(packetOf(message, known === undefined ? topic : "", properties, how));
    // Only what the client was told holds [MQTT-3.3.2-12]
    if (isWritten && fresh !== undefined) this.#aliases?.set(topic, fresh);
    return isWritten;
  }

  #freeAlias(): number | undefined {
    const aliases = this.#aliases;
    return aliases !== undefined && aliases.size < this.#settings.outgoingTopicAliasMaximum
      ? aliases.size + 1
      : undefined;
  }

  /** @param topic the topic name's UTF-8, where it is at hand */
  #encode(packet: PublishPacket, topic?: Uint8Array): boolean {
    const { protocolVersion: version, maxOutgoingPacketBytes } = this.#settings;
    const size = publishSize(packet, version, bufferTextCodec, topic);
    if (size > maxOutgoingPacketBytes) return false;
    if (packet.payload.length > MAX_COPIED_BYTES) {
      this.#writeLarge(packet, size);
      return true;
    }
    writePublish(this.#queue.reserve(size), this.#queue.offset, packet, version, bufferTextCodec, topic);
    this.#queue.commit(size);
    return true;
  }

  #writeLarge(packet: PublishPacket, size: number): void {
    const headSize = publishHeadSize(packet, size);
    const target = this.#queue.reserve(headSize);
    writePublishHead(target, this.#queue.offset, { packet, size, version: this.#settings.protocolVersion });
    this.#queue.commit(headSize);
    this.#queue.append(packet.payload);
  }
}

function utf8Of(topic: TopicName): Uint8Array {
  return (topic.utf8 ??= encodeText(topic.name, bufferTextCodec));
}

function packetOf(
  message: Message,
  topic: string,
  properties: PublishProperties | undefined,
  how: OutgoingPublish,
): PublishPacket {
  const { payload } = message;
  const { qos, retain, dup, packetId } = how;
  return properties === undefined
    ? { type: "publish", topic, payload, qos, retain, dup, packetId }
    : { type: "publish", topic, payload, qos, retain, dup, packetId, properties };
}

function ownProperties(
  message: Message,
  how: OutgoingPublish,
  topicAlias: number | undefined,
): PublishProperties {
  const { subscriptionIdentifiers, messageExpiryInterval } = how;
  return {
    ...message.properties,
    ...(subscriptionIdentifiers !== undefined && { subscriptionIdentifiers }),
    ...(messageExpiryInterval !== undefined && { messageExpiryInterval }),
    ...(topicAlias !== undefined && { topicAlias }),
  };
}
