import { malformed } from "../protocol-error.ts";
import { HAS_WILDCARD, scanText } from "../text-scan.ts";
import type { Reader } from "../reader.ts";

const MAX_REMEMBERED_BYTES = 1024;
/** Shared: most connections never publish. */
const NOTHING = new Uint8Array(0);

/**
 * Reads topic names, and gives the same string again while the same bytes come: a publisher mostly repeats one topic.
 * The bytes are compared with a private copy, since those of the connection change under their owner's hands.
 */
export class TopicMemory {
  #bytes: Uint8Array = NOTHING;
  #length = 0;
  #topic = "";

  /** The topic name at the reader's offset; may be empty, has no wildcard [MQTT-3.3.2-1], [MQTT-3.3.2-2]. */
  read(reader: Reader): string {
    const length = reader.u16();
    const start = reader.skip(length);
    if (length === this.#length && this.#isRemembered(reader.bytes, start)) return this.#topic;
    return this.#readNew(reader, start);
  }

  #isRemembered(bytes: Uint8Array, start: number): boolean {
    const remembered = this.#bytes;
    // Backwards: neighbouring topics differ at their ends
    for (let index = this.#length - 1; index >= 0; index--) {
      if (remembered[index] !== bytes[start + index]) return false;
    }
    return true;
  }

  #readNew(reader: Reader, start: number): string {
    const found = scanText(reader.bytes, start, reader.offset);
    const topic = reader.decodeText(start, found);
    if ((found & HAS_WILDCARD) !== 0) throw malformed("the topic name has a wildcard");
    if (reader.offset - start <= MAX_REMEMBERED_BYTES) this.#remember(reader, start, topic);
    return topic;
  }

  #remember(reader: Reader, start: number, topic: string): void {
    const length = reader.offset - start;
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) this.#bytes[index] = reader.bytes[start + index]!;
    this.#length = length;
    this.#topic = topic;
  }
}
