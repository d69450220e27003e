import { PacketDecoder, ProtocolError } from "@weir/protocol";
import type { ClientPacket, PacketDecoderOptions, ProtocolVersion } from "@weir/protocol";
import type { ByteStream } from "../core/ports/byte-stream.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { ClientHandler } from "./client-handler.ts";
import type { Resumable, TurnScheduler } from "./turn-scheduler.ts";

/** A connection's share of one turn of the event loop: whichever is used up first. */
const MAX_PACKETS_PER_TURN = 1_000;
const MAX_MS_PER_TURN = 2;
/** How often the time is looked at; a power of two. */
const PACKETS_PER_LOOK = 32;

/** Why no packet is taken at present: a sum of these. */
export const Block = {
  /** The client still works on a packet. */
  handling: 1,
  /** The core asked for it: `Link.pause`. */
  paused: 2,
  /** The peer takes answers more slowly than it asks for them. */
  overfull: 4,
  /** The share of this turn is used up. */
  turn: 8,
} as const;

export interface IntakeOwner {
  readonly client: ClientHandler;
  /** Takes the first packet, which is a CONNECT; then packets go to the client. */
  connect(packet: ClientPacket): Promise<void> | undefined;
  /** The peer broke the protocol. The intake has stopped. */
  refused(error: ProtocolError): void;
  /** The client threw, or its promise rejected: a mistake in the broker. The intake has stopped. */
  failed(error: unknown): void;
  /** The peer has finished, and everything it sent was handled. The intake has stopped. */
  exhausted(): void;
}

export interface IntakeOptions {
  readonly stream: ByteStream;
  readonly turns: TurnScheduler;
  readonly clock: Clock;
  /** The same object for all connections: see `PacketDecoder`. */
  readonly decoding: PacketDecoderOptions;
}

/** From bytes to `client.handle`: one packet after the other, not faster than they are worked on, a fair share a turn. */
export class PacketIntake implements Resumable {
  /** When bytes came last, or when the broker began to listen again. */
  lastHeardMs: number;
  readonly #owner: IntakeOwner;
  readonly #stream: ByteStream;
  readonly #turns: TurnScheduler;
  readonly #clock: Clock;
  readonly #decoder: PacketDecoder;
  #blocks = 0;
  #isStreamPaused = false;
  #isFirst = true;
  #isReading = false;
  #state: "live" | "ended" | "gone" | "stopped" = "live";
  #turn = -1;
  #packetsLeft = 0;
  #turnEndsMs = 0;

  constructor(owner: IntakeOwner, options: IntakeOptions) {
    this.#owner = owner;
    this.#stream = options.stream;
    this.#turns = options.turns;
    this.#clock = options.clock;
    this.lastHeardMs = options.clock.nowMs();
    this.#decoder = new PacketDecoder(options.decoding);
  }

  /** As the CONNECT says; 4 before. */
  get protocolVersion(): ProtocolVersion {
    return this.#decoder.protocolVersion;
  }

  /** True while it is the broker that does not read, so that silence is not the peer's. */
  get isHeldUp(): boolean {
    return (this.#blocks & ~Block.overfull) !== 0;
  }

  /** Takes bytes as they came. What cannot be handled yet is kept, and the stream paused. */
  push(bytes: Uint8Array): void {
    if (this.#state === "stopped") return;
    this.#turns.arm();
    this.lastHeardMs = this.#turns.startedMs;
    this.#decoder.push(bytes);
    if (this.#blocks === 0) this.#read();
    else this.#pauseStream();
  }

  block(reason: number): void {
    if (this.#state !== "gone") this.#blocks |= reason;
  }

  unblock(reason: number): void {
    if ((this.#blocks & reason) === 0) return;
    this.#blocks &= ~reason;
    if (this.#blocks === 0) this.#goOn();
  }

  resumeTurn(): void {
    this.unblock(Block.turn);
  }

  /** The peer has said all; it may still listen. */
  ended(): void {
    if (this.#state !== "live") return;
    this.#state = "ended";
    if (this.#blocks === 0) this.#read();
  }

  /** The network is gone: there is no back-pressure any more, only what is left to handle. */
  gone(): void {
    if (this.#state === "stopped") return;
    this.#state = "gone";
    this.#blocks &= Block.handling;
    if (this.#blocks === 0) this.#read();
  }

  /** Handles nothing more, and lets the peer talk to nobody until it closes. */
  stop(): void {
    this.#state = "stopped";
    this.#resumeStream();
  }

  #goOn(): void {
    this.lastHeardMs = this.#clock.nowMs();
    this.#read();
    if (this.#blocks === 0) this.#resumeStream();
  }

  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#turns.arm();
    let hasMore = true;
    while (hasMore && this.#mayRead()) hasMore = this.#takeNext();
    this.#isReading = false;
    if (!hasMore) this.#starved();
  }

  #starved(): void {
    if (this.#state !== "ended" && this.#state !== "gone") return;
    this.#state = "stopped";
    this.#owner.exhausted();
  }

  #mayRead(): boolean {
    if (this.#state === "stopped" || this.#blocks !== 0) return false;
    if (this.#state === "gone") return true;
    if (this.#hasShare()) return true;
    this.#blocks |= Block.turn;
    this.#turns.resumeSoon(this);
    return false;
  }

  #hasShare(): boolean {
    if (this.#turn !== this.#turns.turn) {
      this.#turn = this.#turns.turn;
      this.#packetsLeft = MAX_PACKETS_PER_TURN;
      this.#turnEndsMs = 0;
      return true;
    }
    if (--this.#packetsLeft <= 0) return false;
    return (this.#packetsLeft & (PACKETS_PER_LOOK - 1)) !== 0 || this.#hasTime();
  }

  /** The share begins with the first look: a connection that sends a packet or two a turn needs none. */
  #hasTime(): boolean {
    const nowMs = this.#clock.nowMs();
    if (this.#turnEndsMs === 0) this.#turnEndsMs = nowMs + MAX_MS_PER_TURN;
    return nowMs < this.#turnEndsMs;
  }

  /** False: no whole packet is there. */
  #takeNext(): boolean {
    const packet = this.#decode();
    if (packet === undefined) return this.#state === "stopped";
    try {
      const pending = this.#isFirst ? this.#takeFirst(packet) : this.#owner.client.handle(packet);
      if (pending !== undefined) this.#await(pending);
    } catch (error) {
      this.#fail(error);
    }
    return true;
  }

  #takeFirst(packet: ClientPacket): Promise<void> | undefined {
    this.#isFirst = false;
    return this.#owner.connect(packet);
  }

  #decode(): ClientPacket | undefined {
    try {
      // The decoder refuses what only a server may send
      return this.#decoder.next() as ClientPacket | undefined;
    } catch (error) {
      this.stop();
      if (error instanceof ProtocolError) this.#owner.refused(error);
      else this.#owner.failed(error);
      return undefined;
    }
  }

  #await(pending: Promise<void>): void {
    this.#blocks |= Block.handling;
    pending.then(
      () => this.unblock(Block.handling),
      (error: unknown) => {
        this.#blocks &= ~Block.handling;
        this.#fail(error);
      },
    );
  }

  #fail(error: unknown): void {
    this.stop();
    this.#owner.failed(error);
  }

  #pauseStream(): void {
    if (this.#isStreamPaused) return;
    this.#isStreamPaused = true;
    this.#stream.pause();
  }

  #resumeStream(): void {
    if (!this.#isStreamPaused) return;
    this.#isStreamPaused = false;
    this.#stream.resume();
  }
}
