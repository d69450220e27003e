import type { Acceptor, ByteStream } from "../core/ports/byte-stream.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Counters, Logger } from "../core/ports/telemetry.ts";
import type { Peer } from "../core/ports/transport.ts";
import type { ConnectionCore } from "./client-handler.ts";
import { Connection } from "./connection.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";
import { SlabPool } from "./slab-pool.ts";
import { TurnScheduler } from "./turn-scheduler.ts";

export interface ConnectionHostOptions {
  readonly core: ConnectionCore;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly limits: {
    readonly maxConnections: number;
    /** The largest packet that is accepted, with its header. */
    readonly maxPacketBytes: number;
  };
  /** What may wait in memory for one reader; 1 MiB by default. */
  readonly maxBufferBytes?: number;
  /** From the first byte's chance to come to the accepting CONNACK; 5 s by default. */
  readonly connectTimeoutMs?: number;
}

const DEFAULT_MAX_BUFFER_BYTES = 1_048_576;
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;

/** All network connections, and what they share: the turn, the deadlines, the write buffers. */
export class ConnectionHost implements Acceptor {
  readonly core: ConnectionCore;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly maxPacketBytes: number;
  readonly maxBufferBytes: number;
  readonly connectTimeoutMs: number;
  readonly turns: TurnScheduler = new TurnScheduler();
  readonly deadlines: DeadlineWheel;
  readonly pool: SlabPool = new SlabPool();
  readonly #maxConnections: number;
  #connectionCount = 0;

  constructor(options: ConnectionHostOptions) {
    this.core = options.core;
    this.clock = options.clock;
    this.counters = options.counters;
    this.logger = options.logger;
    this.maxPacketBytes = options.limits.maxPacketBytes;
    this.maxBufferBytes = options.maxBufferBytes ?? DEFAULT_MAX_BUFFER_BYTES;
    this.connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
    this.deadlines = new DeadlineWheel(options.clock);
    this.#maxConnections = options.limits.maxConnections;
  }

  /** Network connections that are open, with or without a CONNECT. */
  get connectionCount(): number {
    return this.#connectionCount;
  }

  get hasRoom(): boolean {
    return this.#connectionCount < this.#maxConnections;
  }

  accept(stream: ByteStream, peer: Peer): void {
    this.#connectionCount++;
    this.counters.connectionsTotal++;
    const connection = new Connection(stream, peer, this);
    connection.open();
  }

  /** A connection tells that it is gone for good. */
  forget(connection: Connection): void {
    this.deadlines.forget(connection);
    this.#connectionCount--;
  }
}
