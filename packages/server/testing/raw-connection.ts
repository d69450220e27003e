import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A frame, the end of the connection, or nothing within the time. */
export type Heard = Buffer | "closed" | "silence";

/** A TCP connection that takes whole MQTT frames as they came, byte for byte, without a codec in between. */
export class RawConnection {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake?.();
    });
    // A reset is an end like any other
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isClosed = true;
      this.#wake?.();
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new RawConnection(socket);
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** The next frame, in at most `timeoutMs`. */
  async next(timeoutMs: number): Promise<Heard> {
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort();
      this.#wake?.();
    }, timeoutMs);
    while (this.#frameBytes() === undefined && !this.#isClosed && !deadline.signal.aborted) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    clearTimeout(timer);
    return this.#take();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(): Heard {
    const size = this.#frameBytes();
    if (size === undefined) return this.#isClosed ? "closed" : "silence";
    const frame = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return frame;
  }

  /** Undefined: the frame at the beginning is not whole yet. */
  #frameBytes(): number | undefined {
    const size = frameSize(this.#bytes);
    return size !== undefined && size <= this.#bytes.length ? size : undefined;
  }
}

/** What the header at the beginning announces, itself included; undefined: it is not whole. */
export function frameSize(bytes: Uint8Array): number | undefined {
  let remaining = 0;
  for (let index = 1; index < Math.min(5, bytes.length); index += 1) {
    const byte = bytes[index] as number;
    remaining |= (byte & 0x7f) << (7 * (index - 1));
    if (byte < 0x80) return index + 1 + remaining;
  }
  return undefined;
}
