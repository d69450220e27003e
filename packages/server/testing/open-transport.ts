import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Server as HttpsServer } from "node:https";
import { makeCertificates } from "../../testkit/src/certificates.ts";
import type { TestCertificates } from "../../testkit/src/certificates.ts";
import type { ConnectionHostOptions } from "../src/connection/connection-host.ts";
import { TcpTransport } from "../src/transports/tcp-transport.ts";
import { TlsTransport } from "../src/transports/tls-transport.ts";
import type { SocketTransportOptions, Transport } from "../src/transports/transport.ts";
import { WebSocketTransport } from "../src/transports/websocket-transport.ts";
import { createHost, silentLogger } from "./open-connection.ts";
import type { HostFixture } from "./open-connection.ts";

export type TransportName = "tcp" | "tls" | "ws" | "wss";

export interface TransportFixture extends HostFixture {
  readonly port: number;
  readonly transport: Transport;
  /** The CA that test clients have to trust. */
  readonly ca: string;
  close(): Promise<void>;
}

export interface TransportFixtureOptions {
  readonly host?: Partial<ConnectionHostOptions>;
  readonly transport?: Partial<SocketTransportOptions>;
  /** Asks clients for certificates of this CA. */
  readonly clientCa?: string;
}

/** Made once: making keys takes its time. */
export const certificates: TestCertificates = makeCertificates();

/** A transport on a free port of the loopback, in front of a recording core. */
export async function openTransport(
  name: TransportName,
  options: TransportFixtureOptions = {},
): Promise<TransportFixture> {
  const fixture = createHost(options.host);
  const { host, clock } = fixture;
  const common = { acceptor: host, clock, counters: host.counters, logger: silentLogger };
  const server =
    name === "ws" ? createHttpServer() : name === "wss" ? createHttpsServer(certificates.server) : undefined;
  const transport = createTransport(
    name,
    server,
    { ...common, host: "127.0.0.1", port: 0, ...options.transport },
    options,
  );
  if (server !== undefined) await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = await transport.listen();
  const close = async (): Promise<void> => {
    await transport.close();
    for (const client of fixture.core.clients) client.link.close();
    server?.closeAllConnections();
    server?.close();
  };
  return { ...fixture, port, transport, ca: certificates.ca.cert, close };
}

function createTransport(
  name: TransportName,
  server: HttpServer | HttpsServer | undefined,
  options: SocketTransportOptions,
  { clientCa }: TransportFixtureOptions,
): Transport {
  if (server !== undefined) return new WebSocketTransport({ ...options, server, maxPacketBytes: 1_048_576 });
  if (name === "tcp") return new TcpTransport(options);
  const credentials = clientCa === undefined ? certificates.server : { ...certificates.server, clientCa };
  return new TlsTransport({ ...options, credentials });
}
