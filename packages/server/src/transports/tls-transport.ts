import type { Socket } from "node:net";
import { createServer } from "node:tls";
import type { SecureContextOptions, Server, TLSSocket } from "node:tls";
import type { Admission } from "../core/ports/admission.ts";
import type { Peer } from "../core/ports/transport.ts";
import type { ProxySource } from "./proxy-header.ts";
import { SocketListener } from "./socket-listener.ts";
import { SocketStream } from "./socket-stream.ts";
import { DEFAULT_HANDSHAKE_TIMEOUT_MS } from "./transport.ts";
import type { SocketTransportOptions, Transport } from "./transport.ts";

/** PEM, as texts or as the files' content. */
export interface TlsCredentials {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** Who may have signed client certificates. With it clients are asked for one; none is fine, a false one is not. */
  readonly clientCa?: string | Buffer;
}

export interface TlsTransportOptions extends SocketTransportOptions {
  readonly credentials: TlsCredentials;
  /** Lets handshakes begin at a rate that leaves the broker time for its clients; without it they begin at once. */
  readonly admission?: Admission;
}

/** Certificate or key cannot be used; the message says why. */
class TlsCredentialsError extends Error {
  override readonly name = "TlsCredentialsError";
}

/** MQTT over TLS. */
export class TlsTransport implements Transport {
  readonly #options: TlsTransportOptions;
  readonly #listener: SocketListener;
  readonly #tls: Server;
  /** By the socket's own address and port: TLS hands out another object than it was given. */
  readonly #handshakes = new Map<string, { readonly socket: Socket; readonly source: ProxySource }>();

  /**
   * @throws TlsCredentialsError if the credentials cannot be used
   * @throws RangeError if `proxies` has something that is no address
   */
  constructor(options: TlsTransportOptions) {
    this.#options = options;
    this.#tls = createTlsServer(options);
    this.#tls.on("secureConnection", (socket) => this.#onSecure(socket));
    this.#tls.on("tlsClientError", (error, socket) => this.#listener.refuse(socket, error.message));
    this.#listener = new SocketListener(options, (socket, source) => this.#beginHandshake(socket, source));
  }

  listen(): Promise<{ readonly port: number }> {
    return this.#listener.listen();
  }

  close(): Promise<void> {
    return this.#listener.close();
  }

  /**
   * Uses other credentials for the handshakes from now on; open connections stay. Whether clients are asked for
   * certificates does not change.
   *
   * @throws TlsCredentialsError if they cannot be used: then the old ones stay
   */
  renew(credentials: TlsCredentials): void {
    checked(() => this.#tls.setSecureContext(contextOf(credentials)));
  }

  #beginHandshake(socket: Socket, source: ProxySource): void {
    const key = keyOf(socket);
    this.#handshakes.set(key, { socket, source });
    socket.once("close", () => this.#handshakes.delete(key));
    this.#listener.handshakeBegun(socket);
    this.#admit(socket, source.address, () => this.#tls.emit("connection", socket));
  }

  #admit(socket: Socket, address: string, begin: () => void): void {
    const { admission } = this.#options;
    const entrant = { address, bytes: 0, admitted: () => void (socket.destroyed || begin()) };
    const turn = admission?.enter(entrant) ?? "now";
    if (turn === "now") begin();
    else if (turn === "full") this.#listener.refuse(socket, "too many TLS handshakes");
    else socket.once("close", () => admission?.leave(entrant));
  }

  #onSecure(secure: TLSSocket): void {
    const key = keyOf(secure);
    const handshake = this.#handshakes.get(key);
    if (handshake === undefined) {
      secure.destroy();
      return;
    }
    this.#handshakes.delete(key);
    this.#listener.handshakeDone(handshake.socket);
    if (hasFalseCertificate(secure))
      this.#listener.refuse(secure, "the client's certificate is not from clientCa");
    else this.#options.acceptor.accept(new SocketStream(secure), peerOf(secure, handshake.source));
  }
}

function createTlsServer(options: TlsTransportOptions): Server {
  return checked(() =>
    createServer({
      ...contextOf(options.credentials),
      requestCert: options.credentials.clientCa !== undefined,
      rejectUnauthorized: false,
      allowHalfOpen: true,
      handshakeTimeout: options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS,
    }),
  );
}

function contextOf({ cert, key, clientCa }: TlsCredentials): SecureContextOptions {
  return clientCa === undefined ? { cert, key } : { cert, key, ca: clientCa };
}

function checked<Result>(use: () => Result): Result {
  try {
    return use();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TlsCredentialsError(`the TLS certificate, its key or clientCa cannot be used: ${reason}`, {
      cause: error,
    });
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Only where clients are asked for a certificate does one come. */
function hasFalseCertificate(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}

function peerOf(socket: TLSSocket, { address, port }: ProxySource): Peer {
  const name: unknown = socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
  const peer = { transport: "tls", address, port } as const;
  return typeof name === "string" ? { ...peer, certificateName: name } : peer;
}
