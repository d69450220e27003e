import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ByteSink, ByteStream } from "../core/ports/byte-stream.ts";
import { pushDirectly } from "./direct-push.ts";

const NO_BYTES = Buffer.alloc(0);
/** Where a socket keeps its stream, so that all sockets share their listeners. */
const streamKey: unique symbol = Symbol("stream");

interface StreamSocket extends Socket {
  [streamKey]?: SocketStream;
}

/** A TCP or TLS socket as a stream of bytes. Listens to the stock events only. */
export class SocketStream implements ByteStream {
  readonly #socket: StreamSocket;
  #sink: ByteSink | undefined;
  /** Made when it is first needed: most connections never wait for the kernel. */
  #whenTaken: (() => void) | undefined;

  readonly #isTls: boolean;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#isTls = socket instanceof TLSSocket;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  attach(sink: ByteSink): void {
    const socket = this.#socket;
    this.#sink = sink;
    socket[streamKey] = this;
    pushDirectly(socket);
    // Node's own has nothing to do where half of a connection may be open
    socket.removeAllListeners("end");
    socket.on("data", onData).on("end", onEnd).on("close", onClose);
    // A second one would cost an array in every socket
    if (socket.listenerCount("error") === 0) socket.on("error", ignore);
    if (socket.closed) process.nextTick(() => this.gone());
    else socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket.writable) return true;
    // The kernel never takes what TLS has to encrypt at once
    if (this.#isTls) {
      socket.write(bytes, this.#takenCallback());
      return false;
    }
    socket.write(bytes);
    return this.#isTaken();
  }

  writeAll(parts: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (!socket.writable) return true;
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.uncork();
    return this.#isTaken();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  received(bytes: Uint8Array): void {
    this.#sink?.received(bytes);
  }

  ended(): void {
    this.#sink?.ended();
  }

  gone(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.gone();
  }

  /** If not, an empty write behind the others tells when: so a write that succeeds at once needs no callback. */
  #isTaken(): boolean {
    if (this.#socket.writableLength === 0) return true;
    this.#socket.write(NO_BYTES, this.#takenCallback());
    return false;
  }

  #takenCallback(): () => void {
    return (this.#whenTaken ??= () => this.#sink?.taken());
  }
}

function onData(this: StreamSocket, bytes: Buffer): void {
  this[streamKey]?.received(bytes);
}

function onEnd(this: StreamSocket): void {
  this[streamKey]?.ended();
}

/** Resets and broken pipes: the socket destroys itself, and `close` follows. */
function ignore(): void {}

function onClose(this: StreamSocket): void {
  this[streamKey]?.gone();
}
