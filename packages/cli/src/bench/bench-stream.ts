import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { WebSocket } from "ws";

/** A client's end of a network connection, the same for all transports. */
export interface BenchStream {
  /** Bytes that were written and that the kernel has not taken yet. */
  readonly unsentBytes: number;
  /** The bytes must not change afterwards. */
  write(bytes: Buffer): void;
  onData(callback: (bytes: Buffer) => void): void;
  /** Called once, with the error if there was one. */
  onClose(callback: (error: Error | undefined) => void): void;
  end(): void;
}

/**
 * Opens a connection to an `mqtt`, `mqtts`, `ws` or `wss` URL. Rejects with the network's error.
 *
 * @param tls what to trust, for `mqtts` and `wss`
 */
export async function openBenchStream(url: string, tls: ConnectionOptions): Promise<BenchStream> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === "ws:" || protocol === "wss:") return openWebSocket(url, tls);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const socket =
    protocol === "mqtts:"
      ? connectTls({ host, port: Number(port), servername: host, ...tls })
      : connectTcp({ host, port: Number(port) });
  await once(socket, protocol === "mqtts:" ? "secureConnect" : "connect");
  socket.setNoDelay(true);
  return streamOfSocket(socket);
}

function streamOfSocket(socket: Socket): BenchStream {
  let failure: Error | undefined;
  socket.on("error", (error) => (failure = error));
  return {
    get unsentBytes() {
      return socket.writableLength;
    },
    write: (bytes) => void socket.write(bytes),
    onData: (callback) => void socket.on("data", callback),
    onClose: (callback) => void socket.once("close", () => callback(failure)),
    end: () => void socket.end(),
  };
}

async function openWebSocket(url: string, tls: ConnectionOptions): Promise<BenchStream> {
  const { ca, rejectUnauthorized } = tls;
  const webSocket = new WebSocket(url, ["mqtt"], {
    perMessageDeflate: false,
    ...(ca !== undefined && { ca }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
  });
  await once(webSocket, "open");
  let failure: Error | undefined;
  webSocket.on("error", (error) => (failure = error));
  return {
    get unsentBytes() {
      return webSocket.bufferedAmount;
    },
    write: (bytes) => webSocket.send(bytes),
    onData: (callback) => void webSocket.on("message", (data: Buffer) => callback(data)),
    onClose: (callback) => void webSocket.once("close", () => callback(failure)),
    end: () => webSocket.close(),
  };
}
