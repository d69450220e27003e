import { createHash, randomBytes } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_CHARACTERS = 16;
const SECRET_CHARACTERS = 32;

/** A new name for a row: 80 random bits, legal in topics and URLs. */
export function newId(): string {
  return randomText(ID_CHARACTERS);
}

/** A new secret of 160 random bits that people can read to each other. Keep its hash only. */
export function newSecret(): string {
  return randomText(SECRET_CHARACTERS);
}

/** What is kept of a random secret. (Passwords, which people choose, need more: `hashPassword`.) */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

function randomText(characters: number): string {
  return Array.from(randomBytes(characters), (byte) => ALPHABET[byte % ALPHABET.length]).join("");
}
