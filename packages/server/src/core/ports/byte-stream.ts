import type { Peer } from "./transport.ts";

/** Takes what a byte stream has to tell. `gone` is the last call. */
export interface ByteSink {
  /** Bytes came. They belong to the sink: the stream does not use them again. */
  received(bytes: Uint8Array): void;
  /** The kernel has taken everything that was written. Comes only after a `write` that returned false. */
  taken(): void;
  /** The peer has finished; everything it sent was received before. */
  ended(): void;
  /** The network is gone, for whatever reason. Exactly once. */
  gone(): void;
}

/** A duplex stream of bytes: a TCP or TLS socket, or the binary frames of a WebSocket. No call throws. */
export interface ByteStream {
  /** Written bytes that the kernel has not taken yet. */
  readonly unsentBytes: number;
  /** Starts the stream: nothing is received before. Called once. */
  attach(sink: ByteSink): void;
  /**
   * Writes in one system call where the platform can. True: the kernel has taken all of it, and the bytes may be used
   * anew. False: they have to stay as they are until `taken`. Not called between a false and its `taken`.
   */
  write(bytes: Uint8Array): boolean;
  /** Like `write`, for several pieces in a row. */
  writeAll(parts: readonly Uint8Array[]): boolean;
  pause(): void;
  resume(): void;
  /** Says goodbye after what was written; the peer may still send. */
  end(): void;
  /** Cuts the connection at once. */
  destroy(): void;
}

/** Where transports hand over the streams that they have accepted. */
export interface Acceptor {
  /** False when no further connection is to be taken: close it before it costs anything. */
  readonly hasRoom: boolean;
  /** Serves the stream from now on until it is gone. */
  accept(stream: ByteStream, peer: Peer): void;
}
