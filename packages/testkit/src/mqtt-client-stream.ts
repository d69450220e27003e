import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { createWebSocketStream, WebSocket } from "ws";

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

export interface OpenStream {
  readonly duplex: Duplex;
  readonly webSocket: WebSocket | undefined;
}

/** Opens the network connection; rejects if it is refused. */
export async function openStream(port: number, options: StreamOptions): Promise<OpenStream> {
  const { over = "tcp", host = "127.0.0.1" } = options;
  if (over === "ws" || over === "wss") return openWebSocket(`${over}://${host}:${port}`, options);
  const socket =
    over === "tcp"
      ? connectTcp({ host, port, noDelay: true })
      : connectTls({ host, port, servername: "localhost", ...options.tls });
  await once(socket, over === "tcp" ? "connect" : "secureConnect");
  return { duplex: socket, webSocket: undefined };
}

async function openWebSocket(base: string, options: StreamOptions): Promise<OpenStream> {
  const { path = "/mqtt", subprotocols = ["mqtt"], headers, tls } = options;
  const webSocket = new WebSocket(base + path, [...subprotocols], {
    perMessageDeflate: false,
    ...(headers && { headers }),
    ...tls,
  });
  const duplex = createWebSocketStream(webSocket);
  await once(webSocket, "open");
  return { duplex, webSocket };
}
