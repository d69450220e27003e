import type { Random } from "./random.ts";

const BINARY = 0x82;
const CONTINUATION = 0x00;

/** The upgrade request; sometimes one that is not as it should be. */
export function upgradeRequest(random: Random, path: string, headers: readonly string[]): Buffer {
  const key = random.chance(0.02) ? "short" : Buffer.alloc(16, random.below(256)).toString("base64");
  const lines = [
    `GET ${random.chance(0.02) ? "/other" : path} HTTP/1.1`,
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    `Sec-WebSocket-Version: ${random.chance(0.02) ? 8 : 13}`,
    `Sec-WebSocket-Protocol: ${random.chance(0.02) ? "chat" : "mqtt"}`,
    "Sec-WebSocket-Extensions: permessage-deflate",
    ...headers,
  ];
  const kept = random.chance(0.03) ? lines.toSpliced(random.below(lines.length), 1) : lines;
  return Buffer.from(`${kept.join("\r\n")}\r\n\r\n`, "latin1");
}

/** The bytes in frames: mostly sound ones, in one piece or in several, with control frames between them. */
export function framed(random: Random, bytes: Buffer): Buffer {
  if (random.chance(0.05)) return brokenFrame(random, bytes);
  if (random.chance(0.8)) return frame(BINARY, bytes);
  const at = random.below(bytes.length + 1);
  const control = random.chance(0.5)
    ? [frame(random.pick([0x89, 0x8a]), random.bytes(random.below(20)))]
    : [];
  return Buffer.concat([
    frame(BINARY & 0x7f, bytes.subarray(0, at)),
    ...control,
    frame(CONTINUATION | 0x80, bytes.subarray(at)),
  ]);
}

function brokenFrame(random: Random, bytes: Buffer): Buffer {
  const whole = frame(random.chance(0.5) ? random.below(256) : BINARY, bytes);
  whole[random.below(Math.min(whole.length, 10))] = random.below(256);
  return whole;
}

/** Masked with zeros, as clients must mask. */
function frame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const size =
    length < 126
      ? [0x80 | length]
      : length < 65_536
        ? [0xfe, ...bigEndian(length, 2)]
        : [0xff, ...bigEndian(length, 8)];
  return Buffer.concat([Buffer.from([first, ...size, 0, 0, 0, 0]), payload]);
}

function bigEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, at) => Math.floor(value / 256 ** (bytes - 1 - at)) % 256);
}
