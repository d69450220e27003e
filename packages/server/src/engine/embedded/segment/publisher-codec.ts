import type { LogRecord } from "../../../core/ports/engine.ts";
import { ByteCursor, textBound } from "./byte-cursor.ts";

type Publisher = LogRecord["publisher"];

const maxCached = 8_192;

/**
 * Publishers as bytes: the session's key, and of realm, subject and client id where they stand in it (a key is usually
 * made of them). Kept by key, since the same few publish again and again.
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

function encodePublisher({ sessionKey, realm, subject, clientId }: Publisher): Uint8Array {
  const bound = textBound(sessionKey) + textBound(realm) + textBound(subject) + textBound(clientId) + 32;
  const cursor = new ByteCursor(Buffer.allocUnsafeSlow(bound));
  cursor.writeText(sessionKey);
  for (const part of [realm, subject, clientId]) {
    const index = part.length === 0 ? 0 : sessionKey.indexOf(part);
    cursor.writeVarint(index + 1);
    if (index < 0) cursor.writeText(part);
    else cursor.writeVarint(part.length);
  }
  return new Uint8Array(cursor.bytes.subarray(0, cursor.at));
}

export function decodePublisher(bytes: Buffer, start: number, end: number): Publisher {
  const part = bytes.subarray(start, end);
  const cursor = new ByteCursor(part);
  const sessionKey = cursor.readText();
  const read = (): string => {
    const index = cursor.readVarint() - 1;
    if (index < 0) return cursor.readText();
    return sessionKey.slice(index, index + cursor.readVarint());
  };
  return { sessionKey, realm: read(), subject: read(), clientId: read() };
}
