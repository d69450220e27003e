import { hash, randomBytes, timingSafeEqual } from "node:crypto";

const PREFIX = "weir";
const SECRET_BYTES = 32;
/** Digits and lower-case letters in ASCII order, so that ids sort as the numbers that they spell. */
const ALPHABET = "0123456789abcdefghijkmnpqrstuvwx";
const TIME_DIGITS = 9;
const RANDOM_DIGITS = 13;
const ID = /^[0-9a-z]{1,64}$/;

/** SHA-256 of nothing that anybody can show: what an unknown id is compared with, so that it takes as long as a known one. */
const NO_HASH: Uint8Array = new Uint8Array(32);

/**
 * A new token id: 22 characters, the time first, so that ids sort in order of creation, then 65 random bits. Never
 * used twice.
 */
export function createTokenId(nowMs: number): string {
  let time = "";
  for (let rest = Math.floor(nowMs), i = 0; i < TIME_DIGITS; i++, rest = Math.floor(rest / 32)) {
    time = `${ALPHABET[rest % 32]}${time}`;
  }
  return time + [...randomBytes(RANDOM_DIGITS)].map((byte) => ALPHABET[byte % 32]).join("");
}

/** A new key for the token: `weir_<id>_<secret>` with 256 random bits in base64url. */
export function createAccessKey(tokenId: string): string {
  return `${PREFIX}_${tokenId}_${randomBytes(SECRET_BYTES).toString("base64url")}`;
}

/** The token id that a key names, or undefined if it is no such key. Says nothing about whether the key is right. */
export function tokenIdOf(key: string): string | undefined {
  const [prefix, id, ...secret] = key.split("_", 8);
  return prefix === PREFIX && id !== undefined && ID.test(id) && secret.length > 0 ? id : undefined;
}

/** What is stored of a key: it has 256 random bits, so that a plain SHA-256 gives nothing to guess. */
export function hashKey(key: string | Uint8Array): Uint8Array {
  return hash("sha256", key, "buffer");
}

/** Compares in a time that depends on neither; an absent hash equals none, and takes as long. */
export function hashesEqual(shown: Uint8Array, stored: Uint8Array | undefined): boolean {
  const isEqual = timingSafeEqual(shown, stored?.length === NO_HASH.length ? stored : NO_HASH);
  return isEqual && stored !== undefined;
}
