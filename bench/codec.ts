/**
 * What the codec costs per packet on this machine, in nanoseconds (best of several rounds).
 *
 *   node bench/codec.ts
 *
 * Beside the codec: the ways to read and write short strings that `TextCodec` was chosen by.
 */
import { Buffer } from "node:buffer";
import {
  encodePacket,
  encodeText,
  PacketDecoder,
  publishSize,
  pureTextCodec,
  writeAck,
  writePublish,
  copyPublish,
  headerOfPublish,
} from "../packages/protocol/src/index.ts";
import type {
  Packet,
  ProtocolVersion,
  PublishPacket,
  Qos,
  TextCodec,
} from "../packages/protocol/src/index.ts";
import { measure } from "./measure.ts";

// What Buffer has for this and its typings leave out
interface NodeBytes {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
  utf8Write(this: Uint8Array, text: string, offset: number): number;
}
const nodeBytes = Buffer.prototype as unknown as NodeBytes;

const bufferTextCodec: TextCodec = {
  decode: (bytes, start, end) => nodeBytes.utf8Slice.call(bytes, start, end),
  byteLength: (text) => Buffer.byteLength(text),
  encodeInto: (text, target, offset) => nodeBytes.utf8Write.call(target, text, offset),
};

function publishOf(qos: Qos, topic = "data/user-17/bus-04/position"): PublishPacket {
  const payload = Buffer.alloc(128, 0x61);
  return { type: "publish", topic, payload, qos, retain: false, dup: false, packetId: qos === 0 ? 0 : 7 };
}

/** A chunk as a socket gives it: packets one behind the other, nearly 64 KiB. */
function chunkOf(packets: readonly Packet[], version: ProtocolVersion): { chunk: Buffer; count: number } {
  const frames = packets.map((packet) => encodePacket(packet, version));
  const once = Buffer.concat(frames);
  const times = Math.floor(65_536 / once.length);
  return { chunk: Buffer.concat(Array.from({ length: times }, () => once)), count: times * packets.length };
}

function measureDecode(name: string, packets: readonly Packet[], version: ProtocolVersion): void {
  const { chunk, count } = chunkOf(packets, version);
  const options = { from: "client", maxPacketBytes: 1_048_576, text: bufferTextCodec } as const;
  const decoder = new PacketDecoder({ ...options, protocolVersion: version });
  measure(`decode ${name}, v${version}, 64 KiB chunks`, 1_000_000, (operations) => {
    for (let done = 0; done < operations; done += count) {
      decoder.push(chunk);
      while (decoder.next() !== undefined);
    }
  });
  const single = Buffer.from(encodePacket(packets[0]!, version));
  measure(`decode ${name}, v${version}, a chunk each`, 1_000_000, (operations) => {
    for (let done = 0; done < operations; done++) {
      decoder.push(single);
      while (decoder.next() !== undefined);
    }
  });
}

function measureEncode(qos: Qos, version: ProtocolVersion): void {
  const target = Buffer.alloc(65_536);
  const packet = publishOf(qos);
  const topic = encodeText(packet.topic);
  const size = publishSize(packet, version);
  let offset = 0;
  const next = (): number => (offset = offset + size > target.length ? 0 : offset);
  measure(`writePublish QoS ${qos}, v${version}, topic in bytes`, 1_000_000, (operations) => {
    for (let done = 0; done < operations; done++)
      offset = writePublish(target, next(), packet, version, bufferTextCodec, topic);
  });
  measure(`writePublish QoS ${qos}, v${version}, topic a string`, 1_000_000, (operations) => {
    for (let done = 0; done < operations; done++)
      offset = writePublish(target, next(), packet, version, bufferTextCodec);
  });
  if (qos === 0) return;
  const frame = encodePacket(packet, version);
  const header = headerOfPublish(qos, false, false);
  measure(`copyPublish QoS ${qos}, v${version}`, 1_000_000, (operations) => {
    for (let done = 0; done < operations; done++)
      offset = copyPublish(target, next(), frame, header, done & 0xffff);
  });
}

function measureText(length: number): void {
  const texts = Array.from({ length: 16 }, (_, index) => `${index}`.padStart(length, "data/x/"));
  const bytes = texts.map((text) => Buffer.from(text));
  const known = new Map(texts.map((text) => [text, 1]));
  const target = Buffer.alloc(65_536);
  const operations = length > 100 ? 50_000 : 500_000;
  let sum = 0;
  for (const [name, codec] of [
    ["pure", pureTextCodec],
    ["Buffer", bufferTextCodec],
  ] as const) {
    measure(`${name} decode and look up, ${length} B`, operations, (count) => {
      for (let done = 0; done < count; done++)
        sum += known.get(codec.decode(bytes[done & 15]!, 0, length)) ?? 0;
    });
    measure(`${name} encodeInto, ${length} B`, operations, (count) => {
      for (let done = 0; done < count; done++) sum += codec.encodeInto(texts[done & 15]!, target, 3);
    });
    measure(`${name} byteLength, ${length} B`, operations, (count) => {
      for (let done = 0; done < count; done++) sum += codec.byteLength(texts[done & 15]!);
    });
  }
  if (sum === 0) console.log("nothing was measured");
}

const versions: readonly ProtocolVersion[] = [4, 5];
for (const version of versions) {
  measureDecode("PUBLISH 128 B QoS 0", [publishOf(0)], version);
  measureDecode("PUBLISH 128 B QoS 1", [publishOf(1)], version);
  measureDecode(
    "PUBLISH, topics in turn",
    [publishOf(0), publishOf(0, "data/user-17/bus-05/position")],
    version,
  );
  measureDecode("PUBACK", [{ type: "puback", packetId: 7, reasonCode: 0 }], version);
  measureEncode(0, version);
  measureEncode(1, version);
}
measureDecode("PINGREQ", [{ type: "pingreq" }], 5);
measureDecode("PUBLISH with topic alias", [{ ...publishOf(0), properties: { topicAlias: 3 } }], 5);
measureDecode(
  "PUBLISH with 3 properties",
  [
    {
      ...publishOf(0),
      properties: { contentType: "text/json", messageExpiryInterval: 60, userProperties: [["a", "b"]] },
    },
  ],
  5,
);
const acks = Buffer.alloc(65_536);
measure("writeAck PUBACK, v4", 1_000_000, (operations) => {
  for (let done = 0; done < operations; done++)
    writeAck(acks, (done & 0x3fff) << 2, "puback", done & 0xffff, 4);
});
for (const length of [10, 30, 60, 2_000]) measureText(length);
