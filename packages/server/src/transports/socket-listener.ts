import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { AddressList, plainAddress } from "./address-list.ts";
import { listenOn, stopListening } from "./listening.ts";
import { readProxyHeader } from "./proxy-handshake.ts";
import type { ProxySource } from "./proxy-header.ts";
import { DEFAULT_HANDSHAKE_TIMEOUT_MS, DEFAULT_MAX_HANDSHAKES } from "./transport.ts";
import type { SocketTransportOptions, Transport } from "./transport.ts";

/** When nothing was heard for so long the system asks the peer's, so that a machine that has vanished is noticed. */
const TCP_KEEP_ALIVE_DELAY_MS = 300_000;

/** Accepts TCP sockets, and learns from trusted proxies whom they speak for. */
export class SocketListener implements Transport {
  readonly #options: SocketTransportOptions;
  readonly #server: Server;
  readonly #proxies: AddressList;
  readonly #handshakes = new Set<Socket>();
  readonly #ready: (socket: Socket, source: ProxySource) => void;

  /**
   * @param ready takes each socket together with its client's address
   * @throws RangeError if `proxies` has something that is no address
   */
  constructor(options: SocketTransportOptions, ready: (socket: Socket, source: ProxySource) => void) {
    this.#options = options;
    this.#ready = ready;
    this.#proxies = new AddressList(options.proxies ?? []);
    this.#server = createServer({
      noDelay: true,
      // The connection itself says when it has nothing more to send
      allowHalfOpen: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_DELAY_MS,
    });
    this.#server.on("connection", (socket) => this.#onConnection(socket));
  }

  async listen(): Promise<{ readonly port: number }> {
    const { host, port, logger } = this.#options;
    const listening = await listenOn(this.#server, host, port);
    // Such as too many open files: the sockets that are open go on
    this.#server.on("error", (error) => logger.error({ error, host, port }, "accepting a connection failed"));
    return listening;
  }

  async close(): Promise<void> {
    for (const socket of this.#handshakes) socket.destroy();
    await stopListening(this.#server);
  }

  /** Has the socket counted as one that is in a handshake, until `handshakeDone` or its end. */
  handshakeBegun(socket: Socket): void {
    this.#handshakes.add(socket);
    socket.once("close", () => this.#handshakes.delete(socket));
  }

  handshakeDone(socket: Socket): void {
    this.#handshakes.delete(socket);
  }

  /** Counts a connection that was not served, and cuts it. */
  refuse(socket: Socket, reason: string): void {
    this.#options.counters.connectionsRefused++;
    this.#options.logger.debug({ address: socket.remoteAddress, reason }, "connection refused");
    socket.destroy();
  }

  #onConnection(socket: Socket): void {
    // Whatever happens to it before somebody else listens; the socket closes itself
    socket.on("error", ignore);
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
    } else if (!this.#options.acceptor.hasRoom || !this.#hasRoomForHandshake()) {
      this.refuse(socket, "too many connections");
    } else if (this.#proxies.has(remoteAddress)) {
      void this.#acceptFromProxy(socket, { address: plainAddress(remoteAddress), port: remotePort });
    } else {
      this.#ready(socket, { address: plainAddress(remoteAddress), port: remotePort });
    }
  }

  #hasRoomForHandshake(): boolean {
    const { maxHandshakes = DEFAULT_MAX_HANDSHAKES, counters } = this.#options;
    if (this.#handshakes.size < maxHandshakes) return true;
    counters.limitReached["limits.maxHandshakes"] += 1;
    return false;
  }

  async #acceptFromProxy(socket: Socket, proxy: ProxySource): Promise<void> {
    const { clock, handshakeTimeoutMs } = this.#options;
    this.handshakeBegun(socket);
    const outcome = await readProxyHeader(socket, clock, handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS);
    this.handshakeDone(socket);
    if (outcome.kind === "bad") this.refuse(socket, outcome.reason);
    else this.#ready(socket, outcome.source ?? proxy);
  }
}

function ignore(): void {}
