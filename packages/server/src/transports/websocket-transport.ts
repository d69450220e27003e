import { once } from "node:events";
import type { IncomingMessage, Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import type { Peer } from "../core/ports/transport.ts";
import { AddressList, plainAddress } from "./address-list.ts";
import { forwardedAddress } from "./forwarded-address.ts";
import { portOf } from "./listening.ts";
import type { Transport, TransportOptions } from "./transport.ts";
import { WebSocketStream } from "./websocket-stream.ts";

export interface WebSocketTransportOptions extends TransportOptions {
  /** Whose `upgrade` requests are taken. Whoever made it starts and stops it. */
  readonly server: HttpServer | HttpsServer;
  /** `/mqtt` by default. */
  readonly path?: string;
  readonly maxPacketBytes: number;
  /** Addresses and CIDR ranges of proxies, which must say in X-Forwarded-For for whom they speak; none by default. */
  readonly proxies?: readonly string[];
}

/** The standard's own [MQTT-6.0.0-3], and the one of libraries for 3.1. */
const SUBPROTOCOLS = ["mqtt", "mqttv3.1"];
/** What a frame may hold beyond one packet of the largest size: clients may gather small ones. */
const FRAME_ROOM_BYTES = 65_536;
const MAX_FRAGMENTS = 1_024;
/** How long ws waits for the peer's part of a closing handshake. Not in the typings yet, hence apart. */
const closeTimeout = { closeTimeout: 1_000 };

/** MQTT over WebSocket, on a server that others use as well. */
export class WebSocketTransport implements Transport {
  readonly #options: WebSocketTransportOptions;
  readonly #path: string;
  readonly #proxies: AddressList;
  readonly #webSockets: WebSocketServer;
  #isOpen = false;

  /** @throws RangeError if `proxies` has something that is no address */
  constructor(options: WebSocketTransportOptions) {
    this.#options = options;
    this.#path = options.path ?? "/mqtt";
    this.#proxies = new AddressList(options.proxies ?? []);
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxPacketBytes + FRAME_ROOM_BYTES,
      maxFragments: MAX_FRAGMENTS,
      ...closeTimeout,
      handleProtocols: (offered) => SUBPROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
    });
    this.#webSockets.on("wsClientError", (error, socket) =>
      this.#refuse(socket, "400 Bad Request", error.message),
    );
    options.server.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
  }

  /** Takes upgrades from now on; resolves once the server listens. */
  async listen(): Promise<{ readonly port: number }> {
    const { server } = this.#options;
    this.#isOpen = true;
    if (!server.listening) await once(server, "listening");
    return { port: portOf(server) ?? 0 };
  }

  close(): Promise<void> {
    this.#isOpen = false;
    return Promise.resolve();
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", ignore);
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      this.#refuse(socket, refusal.status, refusal.reason);
      return;
    }
    const peer = this.#peerOf(request);
    if (peer === undefined) {
      this.#refuse(socket, "400 Bad Request", "a proxy does not say for whom it speaks");
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#options.acceptor.accept(new WebSocketStream(webSocket, socket), peer);
    });
  }

  #refusalOf(request: IncomingMessage): { readonly status: string; readonly reason: string } | undefined {
    const path = (request.url ?? "").split("?", 1)[0];
    if (path !== this.#path) return { status: "404 Not Found", reason: "no such path for an upgrade" };
    if (!this.#isOpen || !this.#options.acceptor.hasRoom) {
      return { status: "503 Service Unavailable", reason: "no room for connections" };
    }
    if (hasBody(request)) return { status: "400 Bad Request", reason: "an upgrade has no body" };
    const offered = request.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
    if (offered.some((name) => SUBPROTOCOLS.includes(name))) return undefined;
    return { status: "400 Bad Request", reason: "the subprotocol mqtt is not offered" };
  }

  /** Undefined if the other end is a proxy that does not name its client. */
  #peerOf(request: IncomingMessage): Peer | undefined {
    const { remoteAddress = "", remotePort = 0 } = request.socket;
    const transport = request.socket instanceof TLSSocket ? "wss" : "ws";
    const upgrade = upgradeOf(request);
    if (!this.#proxies.has(remoteAddress)) {
      return { transport, address: plainAddress(remoteAddress), port: remotePort, upgrade };
    }
    const address = forwardedAddress(request.headers["x-forwarded-for"], this.#proxies);
    return address === undefined ? undefined : { transport, address, port: 0, upgrade };
  }

  #refuse(socket: Duplex, status: string, reason: string): void {
    this.#options.counters.connectionsRefused++;
    this.#options.logger.debug(
      { address: (socket as Socket).remoteAddress, status, reason },
      "upgrade refused",
    );
    socket.once("finish", () => socket.destroy());
    const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n`;
    socket.end(`${head}Content-Length: ${reason.length}\r\n\r\n${reason}`);
  }
}

/** What follows an upgrade are frames: a body would be taken for some by whoever stands in between, or by us. */
function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

function upgradeOf(request: IncomingMessage): NonNullable<Peer["upgrade"]> {
  const { authorization, origin, host } = request.headers;
  const ticket = new URLSearchParams(request.url?.split("?", 2)[1]).get("ticket") ?? undefined;
  return {
    ...(ticket !== undefined && { ticket }),
    ...(authorization !== undefined && { authorization }),
    ...(origin !== undefined && { origin }),
    ...(host !== undefined && { host }),
  };
}

function ignore(): void {}
