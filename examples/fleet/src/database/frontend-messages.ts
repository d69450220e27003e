const LENGTH_BYTES = 4;
/** A password, a statement with its parameters: nothing that we send is longer. */
const MAX_MESSAGE_BYTES = 64 * 1_048_576;

const SYNC = "S".charCodeAt(0);
const QUERY = "Q".charCodeAt(0);
const TERMINATE = "X".charCodeAt(0);
/** After one of these PostgreSQL answers ReadyForQuery: what came before belongs together. */
const GROUP_ENDS: ReadonlySet<number> = new Set([SYNC, QUERY, TERMINATE]);

/** Cuts what a PostgreSQL client sends into groups of messages that must not be torn apart (protocol 3.0, chapter 53.2). */
export class FrontendMessages {
  #bytes: Buffer = Buffer.alloc(0);
  #group: Buffer[] = [];
  #isStarted = false;

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /**
   * The first message of a connection, which has no type; undefined until it is there. After an SSLRequest or the like
   * another one follows: `started` says when that is over.
   */
  takeStartup(): Buffer | undefined {
    if (this.#isStarted || this.#bytes.length < LENGTH_BYTES) return undefined;
    return this.#take(this.#bytes.readInt32BE(0));
  }

  started(): void {
    this.#isStarted = true;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** The next group; undefined until all of it is there. */
  takeGroup(): readonly Buffer[] | undefined {
    while (this.#isStarted && this.#bytes.length > LENGTH_BYTES) {
      const message = this.#take(1 + this.#bytes.readInt32BE(1));
      if (!message) return undefined;
      this.#group.push(message);
      if (!GROUP_ENDS.has(message[0] as number)) continue;
      const group = this.#group;
      this.#group = [];
      return group;
    }
    return undefined;
  }

  #take(length: number): Buffer | undefined {
    if (length < LENGTH_BYTES || length > MAX_MESSAGE_BYTES) throw new Error(`a message of ${length} bytes`);
    if (this.#bytes.length < length) return undefined;
    const message = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return message;
  }
}

export function isTerminate(message: Buffer): boolean {
  return message[0] === TERMINATE;
}
