import { readFileSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { SteadyAdmission } from "../connection/admission.ts";
import type { ConnectionHost } from "../connection/connection-host.ts";
import type { HttpServer } from "../http/http-server.ts";
import { TcpTransport } from "../transports/tcp-transport.ts";
import { TlsTransport } from "../transports/tls-transport.ts";
import type { Transport, TransportOptions } from "../transports/transport.ts";
import { WebSocketTransport } from "../transports/websocket-transport.ts";
import type { Basis } from "./basis.ts";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface BrokerAddresses {
  readonly mqtt: ListenAddress;
  readonly mqttTls: ListenAddress | undefined;
  /** REST, and MQTT over WebSocket at `/mqtt`. */
  readonly http: ListenAddress & { readonly isTls: boolean };
}

/** Everything that clients may come by. */
export class Listeners {
  readonly #config: Config;
  readonly #parts: Basis & { readonly host: ConnectionHost };
  readonly #transports: Transport[] = [];

  constructor(config: Config, parts: Basis & { readonly host: ConnectionHost }) {
    this.#config = config;
    this.#parts = parts;
  }

  /** Rejects where a port is taken; what listens already is closed by `close`. */
  async open(http: HttpServer): Promise<BrokerAddresses> {
    const { mqtt, http: httpConfig } = this.#config;
    const tcp = new TcpTransport({
      ...this.#transportOptions(),
      host: mqtt.host,
      port: mqtt.port,
      proxies: mqtt.proxyProtocol,
      maxHandshakes: this.#config.limits.maxHandshakes,
    });
    const tls = mqtt.tls && this.#tlsTransport(mqtt.tls);
    const webSocket = this.#webSocketTransport(http);
    this.#transports.push(tcp, ...(tls ? [tls] : []), webSocket);
    const mqttPort = (await tcp.listen()).port;
    const tlsPort = tls && (await tls.listen()).port;
    const bound = await http.listen({ host: httpConfig.host, port: httpConfig.port });
    await webSocket.listen();
    return {
      mqtt: { host: mqtt.host, port: mqttPort },
      mqttTls: tlsPort === undefined ? undefined : { host: mqtt.host, port: tlsPort },
      http: { ...bound, isTls: httpConfig.tls !== undefined },
    };
  }

  #tlsTransport({ port, cert, key, clientCa }: NonNullable<Config["mqtt"]["tls"]>): TlsTransport {
    const credentials = {
      cert: readFileSync(cert),
      key: readFileSync(key),
      ...(clientCa !== undefined && { clientCa: readFileSync(clientCa) }),
    };
    const { host, proxyProtocol } = this.#config.mqtt;
    const { maxHandshakes } = this.#config.limits;
    const bounds = { maxHandshakes, admission: this.#tlsAdmission() };
    const shared = { ...this.#transportOptions(), host, port, proxies: proxyProtocol };
    return new TlsTransport({ ...shared, ...bounds, credentials });
  }

  /** A handshake costs far more than a CONNECT. Nobody waits for longer than it may take to connect. */
  #tlsAdmission(): SteadyAdmission {
    const { tlsHandshakeRate: ratePerS, connectTimeoutS } = this.#config.limits;
    const { clock, counters } = this.#parts;
    const waiting = { maxWaiting: ratePerS * connectTimeoutS, maxWaitingBytes: Infinity };
    return new SteadyAdmission({ clock, counters, limit: "limits.tlsHandshakeRate", ratePerS, ...waiting });
  }

  #webSocketTransport({ server }: HttpServer): WebSocketTransport {
    const { mqtt, http } = this.#config;
    return new WebSocketTransport({
      ...this.#transportOptions(),
      server,
      maxPacketBytes: mqtt.maxPacketBytes,
      proxies: http.trustedProxies,
    });
  }

  #transportOptions(): TransportOptions {
    const { clock, counters, logger, host } = this.#parts;
    return {
      acceptor: host,
      clock,
      counters,
      logger,
      handshakeTimeoutMs: this.#config.limits.connectTimeoutS * 1_000,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#transports.map((transport) => transport.close()));
  }
}
