import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(argon2);

/** Argon2id with 19 MiB and two passes (OWASP, Password Storage Cheat Sheet). */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const TAG_BYTES = 32;
const SALT_BYTES = 16;

/** What is kept of a password: `argon2id$memory,passes,parallelism$salt$tag`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const tag = await tagOf(password, salt, COST);
  const { memory, passes, parallelism } = COST;
  return ["argon2id", [memory, passes, parallelism].join(), toText(salt), toText(tag)].join("$");
}

/** Whether it is the password that was hashed. Without a hash (nobody has that name) it takes as long, and is wrong. */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const known = hash ?? (await unknownHash());
  const [, cost = "", salt = "", tag = ""] = known.split("$");
  const [memory = 0, passes = 0, parallelism = 0] = cost.split(",").map(Number);
  const expected = Buffer.from(tag, "base64url");
  const found = await tagOf(password, Buffer.from(salt, "base64url"), { memory, passes, parallelism });
  return timingSafeEqual(found, expected) && hash !== undefined;
}

let unknown: Promise<string> | undefined;

function unknownHash(): Promise<string> {
  unknown ??= hashPassword("nobody's");
  return unknown;
}

function tagOf(
  password: string,
  nonce: Buffer,
  cost: { readonly memory: number; readonly passes: number; readonly parallelism: number },
): Promise<Buffer> {
  return derive("argon2id", { message: password.normalize("NFKC"), nonce, tagLength: TAG_BYTES, ...cost });
}

function toText(bytes: Buffer): string {
  return bytes.toString("base64url");
}
