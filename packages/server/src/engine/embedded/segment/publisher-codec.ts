import type { LogRecord } from "../../../core/ports/engine.ts";
import { ByteCursor, textBound } from "./byte-cursor.ts";

type Publisher = LogRecord["publisher"];

const maxCached = 8_192;

/**
 * Publishers as bytes: tenant, realm, subject and client id, of which a session's key is usually made; else the key, and
 * of the others where they stand in it. Kept by key, since the same few publish again and again.
 */
export class PublisherEncoder {
  readonly #cached = new Map<string, { readonly publisher: Publisher; readonly bytes: Uint8Array }>();

  encode(publisher: Publisher): Uint8Array {
    const cached = this.#cached.get(publisher.sessionKey);
    if (cached !== undefined && isSame(cached.publisher, publisher)) return cached.bytes;
    const bytes = encodePublisher(publisher);
    if (this.#cached.size >= maxCached) this.#cached.clear();
    this.#cached.set(publisher.sessionKey, { publisher, bytes });
    return bytes;
  }
}

function isSame(left: Publisher, right: Publisher): boolean {
  return (
    left === right ||
    (left.realm === right.realm && left.subject === right.subject && left.clientId === right.clientId)
  );
}

/** First byte of what is made of parts: no length of a key is written so. */
const madeOfParts = 1;

function encodePublisher(publisher: Publisher): Uint8Array {
  const { sessionKey, realm, subject, clientId } = publisher;
  const tenant = tenantIn(publisher);
  const bound = textBound(sessionKey) + textBound(realm) + textBound(subject) + textBound(clientId) + 32;
  const cursor = new ByteCursor(Buffer.allocUnsafeSlow(bound));
  if (tenant !== undefined) {
    cursor.writeU8(madeOfParts);
    for (const part of [tenant, realm, subject, clientId]) cursor.writeText(part);
  } else {
    writeKey(cursor, sessionKey);
    for (const part of [realm, subject, clientId]) writePart(cursor, part, sessionKey);
  }
  return new Uint8Array(cursor.bytes.subarray(0, cursor.at));
}

/** Undefined: the key is not made in the usual way. */
function tenantIn(publisher: Publisher): string | undefined {
  const { sessionKey } = publisher;
  const head = /^\d+:(\d+):/.exec(sessionKey);
  if (head === null) return undefined;
  const tenant = sessionKey.slice(head[0].length, head[0].length + Number(head[1]));
  return keyOf(tenant, publisher) === sessionKey ? tenant : undefined;
}

/** As sessions are usually named: what it is made of is shorter. */
function keyOf(tenant: string, { realm, subject, clientId }: Omit<Publisher, "sessionKey">): string {
  const owner = `${tenant.length}:${tenant}${realm.length}:${realm}${subject}`;
  return `${owner.length}:${owner}${clientId}`;
}

function writeKey(cursor: ByteCursor, sessionKey: string): void {
  // One byte longer than it need be, so that it is not taken for the mark
  if (Buffer.byteLength(sessionKey) === madeOfParts)
    cursor.writeBytes(Uint8Array.of(0x81, 0, sessionKey.charCodeAt(0)));
  else cursor.writeText(sessionKey);
}

function writePart(cursor: ByteCursor, part: string, sessionKey: string): void {
  const index = part.length === 0 ? 0 : sessionKey.indexOf(part);
  cursor.writeVarint(index + 1);
  if (index < 0) cursor.writeText(part);
  else cursor.writeVarint(part.length);
}

export function decodePublisher(bytes: Buffer, start: number, end: number): Publisher {
  const part = bytes.subarray(start, end);
  const cursor = new ByteCursor(part);
  if (part[0] === madeOfParts) return readParts(cursor);
  const sessionKey = cursor.readText();
  const read = (): string => {
    const index = cursor.readVarint() - 1;
    if (index < 0) return cursor.readText();
    return sessionKey.slice(index, index + cursor.readVarint());
  };
  return { sessionKey, realm: read(), subject: read(), clientId: read() };
}

function readParts(cursor: ByteCursor): Publisher {
  cursor.at = 1;
  const tenant = cursor.readText();
  const parts = { realm: cursor.readText(), subject: cursor.readText(), clientId: cursor.readText() };
  return { sessionKey: keyOf(tenant, parts), ...parts };
}
