import type { Acceptor } from "../core/ports/byte-stream.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Counters, Logger } from "../core/ports/telemetry.ts";

/** A way in for clients. */
export interface Transport {
  /** Accepts from now on; resolves with the port. Rejects with ListenError. */
  listen(): Promise<{ readonly port: number }>;
  /** Accepts nothing more and cuts what has not finished its handshake; what was accepted stays open. */
  close(): Promise<void>;
}

/** What every transport needs. */
export interface TransportOptions {
  readonly acceptor: Acceptor;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  /** For what comes before the first byte of MQTT: a PROXY header, a TLS handshake. 5 s by default. */
  readonly handshakeTimeoutMs?: number;
}

/** What TCP and TLS need. */
export interface SocketTransportOptions extends TransportOptions {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
  /** Sockets that may be in a handshake at the same time; 10,000 by default. */
  readonly maxHandshakes?: number;
  /** Addresses and CIDR ranges from which every connection must begin with a PROXY header; none by default. */
  readonly proxies?: readonly string[];
}

export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 5_000;
export const DEFAULT_MAX_HANDSHAKES = 10_000;
