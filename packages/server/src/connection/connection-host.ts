import type { PacketBound, PacketDecoderOptions } from "@weir/protocol";
import type { Acceptor, ByteStream } from "../core/ports/byte-stream.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Counters, Logger } from "../core/ports/telemetry.ts";
import type { Peer } from "../core/ports/transport.ts";
import { SteadyAdmission } from "./admission.ts";
import { bufferTextCodec } from "./buffer-text-codec.ts";
import type { ConnectionCore } from "./client-handler.ts";
import { Connection } from "./connection.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";
import { Handshakes } from "./handshakes.ts";
import { SlabPool } from "./slab-pool.ts";
import { TurnScheduler } from "./turn-scheduler.ts";

export interface ConnectionHostOptions {
  readonly core: ConnectionCore;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly limits: Partial<ConnectionLimits>;
}

/** What a packet may be at most: as the decoder's options of these names. */
type PacketBounds = Required<Pick<PacketDecoderOptions, PacketBound>>;

/** The bounds of connections: keys of the configuration, but for `maxTopicFilters` (`limits.maxSubscriptions`). */
export interface ConnectionLimits extends PacketBounds {
  readonly maxConnections: number;
  /** What may wait in memory for one reader. */
  readonly maxBufferBytes: number;
  /** From the first byte's chance to come to the accepting CONNACK, without the time that it waits in the line. */
  readonly connectTimeoutMs: number;
  readonly maxHandshakes: number;
  readonly maxHandshakeBytes: number;
  /** CONNECTs a second. */
  readonly connectRate: number;
  /** CONNECTs that wait for their turn. */
  readonly connectQueue: number;
}

const defaultLimits: ConnectionLimits = {
  maxConnections: 100_000,
  maxPacketBytes: 1_048_576,
  maxConnectBytes: 131_072,
  maxUserProperties: 1_000,
  maxTopicFilters: 10_000,
  maxBufferBytes: 1_048_576,
  connectTimeoutMs: 5_000,
  maxHandshakes: 10_000,
  maxHandshakeBytes: 64 * 1_048_576,
  connectRate: 5_000,
  connectQueue: 20_000,
};

/** All network connections, and what they share: the turn, the deadlines, the write buffers. */
export class ConnectionHost implements Acceptor {
  readonly core: ConnectionCore;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly decoding: PacketDecoderOptions;
  readonly maxBufferBytes: number;
  readonly connectTimeoutMs: number;
  readonly turns: TurnScheduler;
  readonly deadlines: DeadlineWheel;
  readonly pool: SlabPool = new SlabPool();
  readonly handshakes: Handshakes;
  readonly admission: SteadyAdmission;
  readonly #maxConnections: number;
  #connectionCount = 0;

  constructor(options: ConnectionHostOptions) {
    this.core = options.core;
    this.clock = options.clock;
    this.counters = options.counters;
    this.logger = options.logger;
    const limits = { ...defaultLimits, ...options.limits };
    const { maxPacketBytes, maxConnectBytes, maxUserProperties, maxTopicFilters } = limits;
    const bounds: PacketBounds = { maxPacketBytes, maxConnectBytes, maxUserProperties, maxTopicFilters };
    this.decoding = { from: "client", ...bounds, text: bufferTextCodec };
    this.maxBufferBytes = limits.maxBufferBytes;
    this.connectTimeoutMs = limits.connectTimeoutMs;
    this.turns = new TurnScheduler(options.clock);
    this.deadlines = new DeadlineWheel(options.clock);
    this.handshakes = new Handshakes({ ...options, ...limits });
    this.admission = new SteadyAdmission({
      ...options,
      limit: "limits.connectRate",
      ratePerS: limits.connectRate,
      maxWaiting: limits.connectQueue,
      maxWaitingBytes: limits.maxHandshakeBytes,
    });
    this.#maxConnections = limits.maxConnections;
  }

  /** Network connections that are open, with or without a CONNECT. */
  get connectionCount(): number {
    return this.#connectionCount;
  }

  get hasRoom(): boolean {
    if (this.#connectionCount < this.#maxConnections) return true;
    this.counters.limitReached["limits.maxConnections"] += 1;
    return false;
  }

  accept(stream: ByteStream, peer: Peer): void {
    this.#connectionCount++;
    this.counters.connectionsTotal++;
    const connection = new Connection(stream, peer, this);
    connection.open();
  }

  /** Lets nobody in any longer who waits for it. */
  close(): void {
    this.admission.close();
  }

  /** A connection tells that it is gone for good. */
  forget(connection: Connection): void {
    this.deadlines.forget(connection);
    this.#connectionCount--;
  }
}
