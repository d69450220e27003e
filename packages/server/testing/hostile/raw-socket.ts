import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface RawSocketOptions {
  /** Of this machine: 127.0.0.2 is another client than 127.0.0.1. */
  readonly from?: string;
}

/** A TCP connection for those who keep to no protocol. */
export class RawSocket {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    socket.on("close", () => {
      this.#isClosed = true;
      this.#wake?.();
    });
  }

  static async open(port: number, { from }: RawSocketOptions = {}): Promise<RawSocket> {
    const local = from === undefined ? {} : { localAddress: from };
    const socket = connect({ host: "127.0.0.1", port, noDelay: true, ...local });
    const raw = new RawSocket(socket);
    await once(socket, "connect");
    return raw;
  }

  /** So many at once. */
  static async openMany(count: number, port: number, options: RawSocketOptions = {}): Promise<RawSocket[]> {
    return Promise.all(Array.from({ length: count }, () => RawSocket.open(port, options)));
  }

  /** What has come so far. */
  get received(): Buffer {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(bytes: Uint8Array | string): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Sends, and waits until the kernel has taken it: false when the connection ended first. */
  async sendAll(bytes: Uint8Array): Promise<boolean> {
    if (!this.#socket.writable) return false;
    if (!this.#socket.write(bytes)) {
      await Promise.race([once(this.#socket, "drain"), once(this.#socket, "close")]).catch(() => undefined);
    }
    return !this.#isClosed;
  }

  /** Reads nothing more. */
  freeze(): void {
    this.#socket.pause();
  }

  /** Resolves with everything that came once the broker has closed. */
  async closed(): Promise<Buffer> {
    while (!this.#isClosed) await this.#change();
    return this.#received;
  }

  /** Resolves when so many bytes have come, or the broker has closed. */
  async receive(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes && !this.#isClosed) await this.#change();
    return this.#received;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
