import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import type { ByteSink, ByteStream } from "../core/ports/byte-stream.ts";
import { pushDirectly } from "./direct-push.ts";

const NO_BYTES = Buffer.alloc(0);
const NORMAL_CLOSURE = 1_000;
const UNSUPPORTED_DATA = 1_003;
/** As a WebSocket says that it is open. */
const OPEN = 1;
const streamKey: unique symbol = Symbol("stream");

interface StreamWebSocket extends WebSocket {
  [streamKey]?: WebSocketStream;
}

/**
 * The binary frames of a WebSocket as a stream of bytes. What is written at once shares a frame, and no packet needs to
 * begin where a frame does [MQTT-6.0.0-2].
 */
export class WebSocketStream implements ByteStream {
  readonly #webSocket: StreamWebSocket;
  readonly #socket: Duplex;
  #sink: ByteSink | undefined;
  #whenTaken: (() => void) | undefined;

  /** @param socket what the WebSocket runs on */
  constructor(webSocket: WebSocket, socket: Duplex) {
    this.#webSocket = webSocket;
    this.#socket = socket;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  attach(sink: ByteSink): void {
    const webSocket = this.#webSocket;
    this.#sink = sink;
    webSocket[streamKey] = this;
    if (this.#socket instanceof Socket) pushDirectly(this.#socket);
    webSocket.on("message", onMessage).on("error", onError).on("close", onClose);
    if (webSocket.readyState > OPEN) process.nextTick(() => this.gone());
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#isWritable) return true;
    this.#webSocket.send(bytes);
    return this.#isTaken();
  }

  writeAll(parts: readonly Uint8Array[]): boolean {
    if (!this.#isWritable) return true;
    this.#socket.cork();
    for (const part of parts) this.#webSocket.send(part);
    this.#socket.uncork();
    return this.#isTaken();
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  end(): void {
    this.#webSocket.close(NORMAL_CLOSURE);
  }

  destroy(): void {
    this.#webSocket.terminate();
  }

  received(data: RawData, isBinary: boolean): void {
    if (!this.#isWritable) return;
    if (isBinary) this.#sink?.received(data as Buffer);
    else this.#refuseText();
  }

  /** What came before is still handled; the rest is not. */
  ended(): void {
    this.#sink?.ended();
  }

  gone(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.gone();
  }

  // [MQTT-6.0.0-1]
  #refuseText(): void {
    this.#webSocket.close(UNSUPPORTED_DATA, "MQTT comes in binary frames");
    this.ended();
  }

  get #isWritable(): boolean {
    return this.#webSocket.readyState === OPEN && this.#socket.writable;
  }

  #isTaken(): boolean {
    if (this.#socket.writableLength === 0) return true;
    this.#socket.write(NO_BYTES, (this.#whenTaken ??= () => this.#sink?.taken()));
    return false;
  }
}

function onMessage(this: StreamWebSocket, data: RawData, isBinary: boolean): void {
  this[streamKey]?.received(data, isBinary);
}

/** A broken frame, or one beyond the bound: ws says why in its close frame. */
function onError(this: StreamWebSocket): void {
  this[streamKey]?.ended();
}

function onClose(this: StreamWebSocket): void {
  this[streamKey]?.gone();
}
