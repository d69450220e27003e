import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { crc32Of } from "./crc32.ts";
import { type Files, readFile, replaceFile } from "./disk/files.ts";
import { newerFormat, StoreError } from "./store-error.ts";

/** What a data directory says of itself, twice, so that one flipped bit is no end. */
export interface StoreFormat {
  readonly format: number;
  /** Changes when a backup is restored: positions of another epoch mean nothing. */
  readonly epoch: string;
  /** What the checksums of the log start from, so that no client can forge a record. 16 bytes. */
  readonly secret: Uint8Array;
}

const storeFormat = 1;
const names = ["format", "format.copy"];

/** Reads it, or makes it where the directory is new. Rejects with StoreError. */
export async function openStoreFormat(files: Files, directory: string): Promise<StoreFormat> {
  const found = await Promise.all(names.map((name) => readFile(files, join(directory, name))));
  const sound = found.map((bytes) => (bytes === undefined ? undefined : decodeFormat(bytes)));
  const format = sound[0] ?? sound[1];
  if (format !== undefined) {
    if (format.format > storeFormat)
      throw newerFormat(`the data directory ${directory}`, format.format, storeFormat);
    if (sound[0] === undefined || sound[1] === undefined) await writeStoreFormat(files, directory, format);
    return format;
  }
  await refuseIfUsed(files, directory, found);
  const made = { format: storeFormat, epoch: newEpoch(), secret: randomBytes(16) };
  await writeStoreFormat(files, directory, made);
  return made;
}

export function newEpoch(): string {
  return randomBytes(8).toString("hex");
}

export async function writeStoreFormat(files: Files, directory: string, format: StoreFormat): Promise<void> {
  for (const name of names) await replaceFile(files, join(directory, name), encodeFormat(format));
  await files.flushDirectory(directory);
}

/** Rejects with StoreError where something is in there. */
export async function refuseUsedDirectory(files: Files, directory: string): Promise<void> {
  if ((await files.list(directory)).length === 0) return;
  throw new StoreError("not-a-store", `${directory} is not empty: name a new directory`);
}

/** Reads what a directory says of itself. Rejects with StoreError where that is no data directory, or a newer one. */
export async function readStoreFormat(files: Files, directory: string): Promise<StoreFormat> {
  const found = await Promise.all(names.map((name) => readFile(files, join(directory, name))));
  const format = found.map((bytes) => bytes && decodeFormat(bytes)).find((one) => one !== undefined);
  if (format === undefined) throw new StoreError("not-a-store", `${directory} is no data directory of Weir`);
  if (format.format > storeFormat)
    throw newerFormat(`the data directory ${directory}`, format.format, storeFormat);
  return format;
}

/** Whether both copies are there and say the same. The next start writes a damaged one anew. */
export async function isFormatWhole(files: Files, directory: string): Promise<boolean> {
  const [first, second] = await Promise.all(names.map((name) => readFile(files, join(directory, name))));
  return first !== undefined && decodeFormat(first) !== undefined && second?.equals(first) === true;
}

async function refuseIfUsed(
  files: Files,
  directory: string,
  found: readonly (Uint8Array | undefined)[],
): Promise<void> {
  const hasData = (await files.list(join(directory, "log"))).length > 0;
  if (!hasData && found.every((bytes) => bytes === undefined)) return;
  if (!hasData && found.every((bytes) => bytes === undefined || bytes.length === 0)) return;
  throw new StoreError(
    "broken",
    `${join(directory, "format")} and its copy are damaged or missing, and there is data beside: restore one of the two files, or a backup`,
  );
}

function encodeFormat({ format, epoch, secret }: StoreFormat): Buffer {
  const text = JSON.stringify({ format, epoch, secret: Buffer.from(secret).toString("hex") });
  return Buffer.from(`${text}\n${checksum(text)}\n`);
}

function decodeFormat(bytes: Buffer): StoreFormat | undefined {
  const [text, sum] = bytes.toString("utf8").split("\n");
  if (text === undefined || sum !== checksum(text)) return undefined;
  const { format, epoch, secret } = JSON.parse(text) as { format: number; epoch: string; secret: string };
  return { format, epoch, secret: Buffer.from(secret, "hex") };
}

function checksum(text: string): string {
  const bytes = Buffer.from(text);
  return (crc32Of(bytes, 0, bytes.length, 0) >>> 0).toString(16).padStart(8, "0");
}
