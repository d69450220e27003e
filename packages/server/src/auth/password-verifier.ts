import crypto, { type Argon2Parameters, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

/** What is stored of a password; its text says how it was made. */
interface Verifier {
  readonly hash: Uint8Array;
  compute(password: string): Promise<Uint8Array>;
}

interface Argon2Cost {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** OWASP's second choice for argon2id: 19 MiB, two passes. */
const COST: Argon2Cost = { memoryKiB: 19_456, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** A verifier from elsewhere decides how much work each login is. */
const MAX_MEMORY_KIB = 65_536;
const MAX_PASSES = 10;
const MAX_ITERATIONS = 1_000_000;

const ARGON2 =
  /^\$argon2id\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;
/** mosquitto_passwd's PBKDF2-SHA512. */
const MOSQUITTO = /^\$7\$(\d{1,7})\$([A-Za-z0-9+/]{8,88}={0,2})\$([A-Za-z0-9+/]{86}==)$/;

const pbkdf2Async = promisify(pbkdf2);

/** Whether a text is a verifier that passwords can be checked with, as other systems write them. */
export function isVerifier(text: string): boolean {
  return parseVerifier(text) !== undefined;
}

/** An argon2id verifier for a password. In libuv's pool: the event loop goes on. */
export async function createVerifier(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await argon2id(password, salt, COST, HASH_BYTES);
  const { memoryKiB, passes, parallelism } = COST;
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(hash)}`;
}

/** Whether the password is the verifier's. A verifier that cannot be read is nobody's. */
export async function matchesVerifier(password: string, text: string): Promise<boolean> {
  const verifier = parseVerifier(text);
  if (!verifier) return false;
  return timingSafeEqual(await verifier.compute(password), verifier.hash);
}

function parseVerifier(text: string): Verifier | undefined {
  return parseArgon2(text) ?? parseMosquitto(text);
}

function parseArgon2(text: string): Verifier | undefined {
  const found = ARGON2.exec(text);
  if (!found) return undefined;
  const [memoryKiB = 0, passes = 0, parallelism = 0] = found.slice(1, 4).map(Number);
  if (memoryKiB < 8 * parallelism || memoryKiB > MAX_MEMORY_KIB) return undefined;
  if (passes < 1 || passes > MAX_PASSES || parallelism < 1) return undefined;
  const salt = Buffer.from(found[4] as string, "base64");
  const hash = Buffer.from(found[5] as string, "base64");
  const cost = { memoryKiB, passes, parallelism };
  return { hash, compute: (password) => argon2id(password, salt, cost, hash.length) };
}

function parseMosquitto(text: string): Verifier | undefined {
  const found = MOSQUITTO.exec(text);
  const iterations = Number(found?.[1]);
  if (!found || iterations < 1 || iterations > MAX_ITERATIONS) return undefined;
  const salt = Buffer.from(found[2] as string, "base64");
  const hash = Buffer.from(found[3] as string, "base64");
  return { hash, compute: (password) => pbkdf2Async(password, salt, iterations, hash.length, "sha512") };
}

function argon2id(message: string, nonce: Uint8Array, cost: Argon2Cost, tagLength: number): Promise<Buffer> {
  const { memoryKiB: memory, passes, parallelism } = cost;
  const parameters: Argon2Parameters = { message, nonce, memory, passes, parallelism, tagLength };
  return new Promise((resolve, reject) => {
    if (typeof crypto.argon2 !== "function") throw new Error("passwords need Node 24.7 or newer");
    crypto.argon2("argon2id", parameters, (error, hash) => (error ? reject(error) : resolve(hash)));
  });
}

/** As the PHC format has it. */
function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
