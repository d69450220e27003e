import { headerOf, PacketType } from "./packet-type.ts";
import { writeAckPacket } from "./packets/ack.ts";
import { writeAuth } from "./packets/auth.ts";
import { writeConnack } from "./packets/connack.ts";
import { writeConnect } from "./packets/connect.ts";
import { writeDisconnect } from "./packets/disconnect.ts";
import { publishSize, writePublish } from "./packets/publish.ts";
import { writeSuback } from "./packets/suback.ts";
import { writeSubscribe } from "./packets/subscribe.ts";
import { writeUnsuback } from "./packets/unsuback.ts";
import { writeUnsubscribe } from "./packets/unsubscribe.ts";
import { pureTextCodec } from "./text-codec.ts";
import { Writer } from "./writer.ts";
import type { Packet, ProtocolVersion, PublishPacket } from "./packet.ts";
import type { TextCodec } from "./text-codec.ts";

/**
 * The whole packet in bytes of its own, as `version` writes it: what the version does not know (properties, reason
 * codes before 5) is left out or put as that version says it. A CONNECT goes by its own `protocolVersion`.
 *
 * Values are written as they are: that a topic is a topic name is the caller's to know.
 *
 * @throws RangeError if a string is longer than 65,535 bytes, the packet than 268,435,455, or `version` has no AUTH
 */
export function encodePacket(
  packet: Packet,
  version: ProtocolVersion,
  text: TextCodec = pureTextCodec,
): Uint8Array {
  if (packet.type === "publish") return encodePublish(packet, version, text);
  const writer = new Writer(text);
  writeFields(writer, packet, version);
  return writer.finish(headerOf(PacketType[packet.type]));
}

function encodePublish(packet: PublishPacket, version: ProtocolVersion, text: TextCodec): Uint8Array {
  const bytes = new Uint8Array(publishSize(packet, version, text));
  writePublish(bytes, 0, packet, version, text);
  return bytes;
}

function writeFields(writer: Writer, packet: Exclude<Packet, PublishPacket>, version: ProtocolVersion): void {
  switch (packet.type) {
    case "connect":
      return writeConnect(writer, packet);
    case "connack":
      return writeConnack(writer, packet, version);
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp":
      return writeAckPacket(writer, packet, version);
    case "subscribe":
      return writeSubscribe(writer, packet, version);
    case "suback":
      return writeSuback(writer, packet, version);
    case "unsubscribe":
      return writeUnsubscribe(writer, packet, version);
    case "unsuback":
      return writeUnsuback(writer, packet, version);
    case "pingreq":
    case "pingresp":
      return;
    case "disconnect":
      return writeDisconnect(writer, packet, version);
    case "auth":
      if (version !== 5) throw new RangeError("AUTH is of MQTT 5 only");
      return writeAuth(writer, packet);
  }
}
