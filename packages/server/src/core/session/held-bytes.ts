import type { Message } from "../ports/message.ts";
import { propertiesBytes } from "../routing/message-bytes.ts";
import { LazyMap } from "./lazy-map.ts";

/** What a message costs beside its payload and properties, more or less. */
const overheadBytes = 128;
/** A payload this much smaller than the chunk in which it came may share that with others. */
const sharingRatio = 4;

/**
 * What messages that are kept cost in memory. A payload is a view of the chunk in which it came, and keeps all of it:
 * so a chunk counts as a whole, and once, as long as one message of it is held.
 */
export class HeldBytes {
  #bytes = 0;
  /** Most often messages of one chunk at a time are held: it needs no Map. */
  #lone: ArrayBufferLike | undefined;
  #loneMessages = 0;
  readonly #messagesOf = new LazyMap<ArrayBufferLike, number>();

  get total(): number {
    return this.#bytes;
  }

  hold(message: Message): void {
    const { buffer } = message.payload;
    this.#bytes += ownBytes(message);
    if (mayShare(message) && this.#countUp(buffer) === 1) this.#bytes += buffer.byteLength;
  }

  /** The counterpart, for a message that was held. */
  release(message: Message): void {
    const { buffer } = message.payload;
    this.#bytes -= ownBytes(message);
    if (mayShare(message) && this.#countDown(buffer) === 0) this.#bytes -= buffer.byteLength;
  }

  clear(): void {
    this.#bytes = 0;
    this.#lone = undefined;
    this.#loneMessages = 0;
    this.#messagesOf.clear();
  }

  /** How many messages of the chunk are held, with this one. */
  #countUp(buffer: ArrayBufferLike): number {
    if (this.#loneMessages === 0 && !this.#messagesOf.has(buffer)) this.#lone = buffer;
    if (this.#lone === buffer) return (this.#loneMessages += 1);
    const messages = (this.#messagesOf.get(buffer) ?? 0) + 1;
    this.#messagesOf.set(buffer, messages);
    return messages;
  }

  /** How many are left. */
  #countDown(buffer: ArrayBufferLike): number {
    if (this.#lone === buffer && this.#loneMessages > 0) {
      this.#loneMessages -= 1;
      if (this.#loneMessages === 0) this.#lone = undefined;
      return this.#loneMessages;
    }
    const messages = (this.#messagesOf.get(buffer) ?? 0) - 1;
    if (messages > 0) this.#messagesOf.set(buffer, messages);
    else this.#messagesOf.delete(buffer);
    return messages;
  }
}

function mayShare({ payload }: Message): boolean {
  return payload.buffer.byteLength > payload.length * sharingRatio + overheadBytes;
}

function ownBytes(message: Message): number {
  const { payload, properties } = message;
  const chunkBytes = mayShare(message) ? 0 : payload.buffer.byteLength;
  return overheadBytes + chunkBytes + (properties === undefined ? 0 : propertiesBytes(properties));
}
