import { malformed } from "../protocol-error.ts";
import { HAS_WILDCARD, scanText } from "../text-scan.ts";
import type { Reader } from "../reader.ts";

const MAX_REMEMBERED_LENGTH = 1_024;

/**
 * Reads topic names, and gives the same string again while the same bytes come: a publisher mostly repeats one topic.
 * ASCII only, since the bytes are held against the string itself: a copy of them would be one more place in memory to
 * fetch for each message, which costs more than to compare.
 */
export class TopicMemory {
  #topic = "";

  /** The topic name at the reader's offset; may be empty, has no wildcard [MQTT-3.3.2-1], [MQTT-3.3.2-2]. */
  read(reader: Reader): string {
    const length = reader.u16();
    const start = reader.skip(length);
    const topic = this.#topic;
    if (length === topic.length && isSame(topic, reader.bytes, start)) return topic;
    return this.#readNew(reader, start);
  }

  #readNew(reader: Reader, start: number): string {
    const found = scanText(reader.bytes, start, reader.offset);
    const topic = reader.decodeText(start, found);
    if ((found & HAS_WILDCARD) !== 0) throw malformed("the topic name has a wildcard");
    const isAscii = topic.length === reader.offset - start;
    if (isAscii && topic.length <= MAX_REMEMBERED_LENGTH) this.#topic = topic;
    return topic;
  }
}

/** Backwards: neighbouring topics differ at their ends. */
function isSame(topic: string, bytes: Uint8Array, start: number): boolean {
  for (let index = topic.length - 1; index >= 0; index--) {
    if (topic.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}
