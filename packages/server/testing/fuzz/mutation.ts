import type { Random } from "./random.ts";

const interesting = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x10, 0x20, 0x30, 0xc0, 0xe0, 0xf0];
const MAX_CHANGES = 4;

/** The packet with some bytes changed; often with a remaining length that fits again, so that it is read to its end. */
export function mutate(random: Random, packet: Buffer, others: readonly Buffer[]): Buffer {
  let bytes = packet;
  const changes = 1 + random.below(MAX_CHANGES);
  for (let change = 0; change < changes; change++) bytes = random.pick(mutations)(random, bytes, others);
  return random.chance(0.6) ? reframed(bytes) : bytes;
}

type Mutation = (random: Random, bytes: Buffer, others: readonly Buffer[]) => Buffer;

const mutations: readonly Mutation[] = [
  flipBit,
  setByte,
  setByte,
  insert,
  remove,
  cut,
  repeat,
  splice,
  setLength,
];

function flipBit(random: Random, bytes: Buffer): Buffer {
  return changedAt(bytes, random.below(bytes.length), (byte) => byte ^ (1 << random.below(8)));
}

function setByte(random: Random, bytes: Buffer): Buffer {
  const value = random.chance(0.5) ? random.pick(interesting) : random.below(256);
  return changedAt(bytes, random.below(bytes.length), () => value);
}

function changedAt(bytes: Buffer, index: number, change: (byte: number) => number): Buffer {
  if (bytes.length === 0) return bytes;
  const changed = Buffer.from(bytes);
  changed[index] = change(bytes[index] as number);
  return changed;
}

function insert(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(8)), bytes.subarray(at)]);
}

function remove(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(4))]);
}

function cut(random: Random, bytes: Buffer): Buffer {
  return bytes.subarray(0, 1 + random.below(bytes.length));
}

function repeat(random: Random, bytes: Buffer): Buffer {
  const start = random.below(bytes.length);
  const part = bytes.subarray(start, start + 1 + random.below(40));
  const times = random.chance(0.05) ? 2_000 : 1 + random.below(5);
  return Buffer.concat([
    bytes.subarray(0, start),
    ...Array.from({ length: times }, () => part),
    bytes.subarray(start),
  ]);
}

function splice(random: Random, bytes: Buffer, others: readonly Buffer[]): Buffer {
  const other = random.pick(others);
  return Buffer.concat([
    bytes.subarray(0, random.below(bytes.length)),
    other.subarray(random.below(other.length)),
  ]);
}

/** Two bytes that may be a length, or a packet id. */
function setLength(random: Random, bytes: Buffer): Buffer {
  const at = random.below(Math.max(1, bytes.length - 1));
  const value = random.pick([0, 1, 0xff, 0xffff, bytes.length - at - 2]) & 0xffff;
  return changedAt(
    changedAt(bytes, at, () => value >> 8),
    at + 1,
    () => value & 0xff,
  ).subarray(0, bytes.length);
}

/** With a remaining length that is true. */
function reframed(bytes: Buffer): Buffer {
  if (bytes.length < 2) return bytes;
  const lengthEnd = bytes.findIndex((byte, index) => index > 0 && byte < 0x80);
  const body = bytes.subarray(Math.max(2, Math.min(lengthEnd + 1, 5)));
  return Buffer.concat([bytes.subarray(0, 1), Buffer.from(variableInteger(body.length)), body]);
}

function variableInteger(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...variableInteger(value >> 7)];
}
