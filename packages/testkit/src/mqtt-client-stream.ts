import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";

export interface StreamOptions {
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** TCP by default. */
  readonly over?: "tcp" | "tls" | "ws" | "wss";
  /** For tls and wss, in PEM. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** For ws and wss; `/mqtt` by default. */
  readonly path?: string;
  /** For ws and wss; `["mqtt"]` by default. */
  readonly subprotocols?: readonly string[];
  /** For ws and wss: of the upgrade request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A client's end of a network connection, the same for all transports. */
export interface ClientStream {
  readonly webSocket: WebSocket | undefined;
  onData(callback: (bytes: Buffer) => void): void;
  /** The code is of the WebSocket's close frame. */
  onClose(callback: (webSocketCode: number | undefined) => void): void;
  write(bytes: Uint8Array): void;
  pause(): void;
  resume(): void;
  /** Sends nothing more, and still listens. */
  end(): void;
  destroy(): void;
}

/** Opens the network connection; rejects if it is refused. */
export async function openStream(port: number, options: StreamOptions): Promise<ClientStream> {
  const { over = "tcp", host = "127.0.0.1" } = options;
  if (over === "ws" || over === "wss") return openWebSocket(`${over}://${host}:${port}`, options);
  const socket =
    over === "tcp"
      ? connectTcp({ host, port, noDelay: true })
      : connectTls({ host, port, servername: "localhost", ...options.tls });
  await once(socket, over === "tcp" ? "connect" : "secureConnect");
  return streamOfSocket(socket);
}

function streamOfSocket(socket: Socket): ClientStream {
  // A reset is an end like any other: `close` follows
  socket.on("error", () => undefined);
  return {
    webSocket: undefined,
    onData: (callback) => void socket.on("data", callback),
    onClose: (callback) => void socket.once("close", () => callback(undefined)),
    write: (bytes) => void socket.write(bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
}

async function openWebSocket(base: string, options: StreamOptions): Promise<ClientStream> {
  const { path = "/mqtt", subprotocols = ["mqtt"], headers, tls } = options;
  const webSocket = new WebSocket(base + path, [...subprotocols], {
    perMessageDeflate: false,
    ...(headers && { headers }),
    ...tls,
  });
  const isOpen = once(webSocket, "open");
  webSocket.on("error", () => undefined);
  await isOpen;
  return streamOfWebSocket(webSocket);
}

function streamOfWebSocket(webSocket: WebSocket): ClientStream {
  return {
    webSocket,
    onData: (callback) => void webSocket.on("message", (data: Buffer) => callback(data)),
    onClose: (callback) => void webSocket.once("close", (code) => callback(code)),
    write: (bytes) => webSocket.send(bytes),
    pause: () => webSocket.pause(),
    resume: () => webSocket.resume(),
    end: () => webSocket.close(),
    destroy: () => webSocket.terminate(),
  };
}
