import {
  ackSize,
  PacketBoundError,
  ProtocolError,
  ReasonCode,
  UnsupportedVersionError,
  writeAck,
} from "@weir/protocol";
import type { AckPacket, ClientPacket, PacketBound, ProtocolVersion, ServerPacket } from "@weir/protocol";
import type { ByteSink, ByteStream } from "../core/ports/byte-stream.ts";
import type { Message } from "../core/ports/message.ts";
import type { Link, LinkSettings, OutgoingPublish, Peer } from "../core/ports/transport.ts";
import type { Entrant } from "../core/ports/admission.ts";
import type { LimitName } from "../core/ports/telemetry.ts";
import type { Handshaking } from "./handshakes.ts";
import type { ClientHandler } from "./client-handler.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { UNWATCHED } from "./deadline-wheel.ts";
import type { Watched } from "./deadline-wheel.ts";
import { encodeWithin } from "./packet-shortening.ts";
import { Block, PacketIntake } from "./packet-intake.ts";
import type { IntakeOwner } from "./packet-intake.ts";
import { PublishWriter } from "./publish-writer.ts";
import { WriteQueue } from "./write-queue.ts";

/** What `close` waits for the peer to take the last bytes and to close its side. */
const CLOSE_TIMEOUT_MS = 1_000;
/** The core stops at the bound; what goes beyond are answers, and this many times the bound of them stop the reading. */
const OVERFULL_RATIO = 2;

const LIMIT_OF_BOUND: Readonly<Record<PacketBound, LimitName>> = {
  maxPacketBytes: "mqtt.maxPacketBytes",
  maxConnectBytes: "limits.maxConnectBytes",
  maxUserProperties: "limits.maxUserProperties",
  maxTopicFilters: "limits.maxSubscriptions",
};

/**
 * One network connection: the `Link` that the core sees, on a stream of bytes.
 *
 * - open: packets go both ways.
 * - closing: the last bytes leave; what comes is thrown away.
 * - gone: there is no network, but packets that had come before are still handled.
 * - closed: the client was told.
 */
export class Connection implements Link, ByteSink, Watched, IntakeOwner, Handshaking {
  dueMs = 0;
  slot: number = UNWATCHED;
  previousWatched: Watched | undefined = undefined;
  nextWatched: Watched | undefined = undefined;
  readonly client: ClientHandler;
  readonly #host: ConnectionHost;
  readonly #stream: ByteStream;
  readonly #queue: WriteQueue;
  readonly #intake: PacketIntake;
  #state: "open" | "closing" | "gone" | "closed" = "open";
  #settings: LinkSettings | undefined;
  #publishWriter: PublishWriter | undefined;
  #refusalVersion: ProtocolVersion | undefined;
  /** Somebody was told that there is no room, and waits for `drained`. */
  #owesDrained = false;
  /** The peer takes answers more slowly than it asks for them, and is not read meanwhile. */
  #isOverfull = false;
  #hasSaidEnd = false;
  readonly #address: string;
  /** `handshaking`: no CONNECT has come whole. `waiting`: one has, and waits for its turn. */
  #phase: "handshaking" | "waiting" | "admitted" = "handshaking";
  /** While the connection waits for its turn. */
  #entrant: Entrant | undefined;
  #connectDueMs: number;
  receivedBytes = 0;

  constructor(stream: ByteStream, peer: Peer, host: ConnectionHost) {
    this.#host = host;
    this.#stream = stream;
    this.#queue = new WriteQueue(stream, this, host);
    this.#address = peer.address;
    this.#connectDueMs = host.clock.nowMs() + host.connectTimeoutMs;
    const { turns, clock, decoding } = host;
    this.#intake = new PacketIntake(this, { stream, turns, clock, decoding });
    this.client = host.core.connect(this, peer);
  }

  /** Starts to read. */
  open(): void {
    this.#host.handshakes.begin(this);
    this.#host.deadlines.watch(this, this.#connectDueMs);
    this.#stream.attach(this);
  }

  // ── Link

  get bufferedBytes(): number {
    return this.#queue.bytes;
  }

  get hasRoom(): boolean {
    if (this.#queue.bytes < this.#host.maxBufferBytes) return true;
    // Many publishers in one turn may fill the buffer of a reader that has taken everything so far
    this.#queue.relieve();
    if (this.#queue.bytes < this.#host.maxBufferBytes) return true;
    if (!this.#owesDrained) this.#reached("limits.maxBufferBytes");
    this.#owesDrained = true;
    return false;
  }

  configure(settings: LinkSettings): void {
    this.#settings = settings;
    if (settings.maxSilenceMs === 0 || this.#state !== "open") return;
    const silentAtMs = this.#intake.lastHeardMs + settings.maxSilenceMs;
    this.#host.deadlines.watch(this, Math.min(this.dueMs, silentAtMs));
  }

  publish(message: Message, how: OutgoingPublish): boolean {
    if (this.#state !== "open" || this.#settings === undefined) return true;
    this.#publishWriter ??= new PublishWriter(this.#queue, this.#settings);
    try {
      return this.#publishWriter.write(message, how);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  }

  ack(type: AckPacket["type"], packetId: number, reasonCode: ReasonCode): void {
    if (this.#state !== "open") return;
    const version = this.#version;
    const size = ackSize(version, reasonCode);
    if (size > this.#maxOutgoingPacketBytes) return;
    const target = this.#queue.reserve(size);
    writeAck(target, this.#queue.offset, type, packetId, version, reasonCode);
    this.#queue.commit(size);
  }

  send(packet: ServerPacket): void {
    if (this.#state !== "open") return;
    const version = this.#version;
    // Before MQTT 5 a server has no such packets: it just closes
    if (version !== 5 && (packet.type === "disconnect" || packet.type === "auth")) return;
    const bytes = encodeWithin(this.#maxOutgoingPacketBytes, packet, version);
    if (bytes !== undefined) this.#queue.append(bytes);
    else if (packet.type === "connack") this.close(); // who cannot be told that it is let in must not wait for it
  }

  pause(paused: boolean): void {
    if (paused) this.#intake.block(Block.paused);
    else this.#intake.unblock(Block.paused);
  }

  close(): void {
    if (this.#state === "gone") {
      this.#intake.stop();
      queueMicrotask(() => this.#finish());
    }
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#intake.stop();
    this.#host.deadlines.watch(this, this.#host.clock.nowMs() + CLOSE_TIMEOUT_MS);
    this.#queue.flush();
  }

  // ── ByteSink

  received(bytes: Uint8Array): void {
    this.#host.counters.bytesReceived += bytes.length;
    if (this.#phase === "handshaking" && this.#state === "open") this.#receivedInHandshake(bytes.length);
    this.#intake.push(bytes);
  }

  taken(): void {
    this.#queue.taken();
  }

  ended(): void {
    // Who has gone away while it waits in the line must not keep a place there from others
    if (this.#phase === "waiting") this.close();
    else this.#intake.ended();
  }

  gone(): void {
    if (this.#state === "closing") this.#finish();
    if (this.#state !== "open") return;
    this.#state = "gone";
    this.#queue.clear();
    if (this.#phase === "waiting") this.close();
    else this.#intake.gone();
  }

  // ── IntakeOwner

  // The line is for those whose CONNECT is there: what half-open connections cost is bounded apart.
  connect(packet: ClientPacket): Promise<void> | undefined {
    const { admission, handshakes } = this.#host;
    handshakes.end(this);
    const { promise, resolve } = Promise.withResolvers<void>();
    const admitted = (): void => resolve(this.#connectAdmitted(packet));
    const entrant = { address: this.#address, bytes: this.receivedBytes, admitted };
    const turn = admission.enter(entrant);
    if (turn === "later") {
      this.#phase = "waiting";
      this.#entrant = entrant;
      return promise;
    }
    this.#phase = "admitted";
    if (turn === "now") return this.client.handle(packet);
    this.#host.counters.connectionsRefused += 1;
    this.client.refuse(new ProtocolError(ReasonCode.connectionRateExceeded, "too many CONNECTs wait"));
    this.close();
    return undefined;
  }

  refused(error: ProtocolError): void {
    const found = error instanceof PacketBoundError ? error : error.cause;
    if (found instanceof PacketBoundError) this.#reached(LIMIT_OF_BOUND[found.bound]);
    if (error instanceof UnsupportedVersionError) this.#refusalVersion = error.answerVersion;
    this.client.refuse(error);
    this.close();
  }

  failed(error: unknown): void {
    this.#host.logger.error({ error }, "a packet could not be handled; its connection is closed");
    this.close();
  }

  exhausted(): void {
    if (this.#state === "gone") this.#finish();
    else this.close();
  }

  // ── the write queue's owner

  /** The queue was flushed, as far as the kernel takes it. */
  flushed(): void {
    if (this.#state === "closing") this.#sayEnd();
    if (this.#state !== "open") return;
    const { bytes } = this.#queue;
    this.#holdUpReading(bytes);
    if (!this.#owesDrained || bytes >= this.#host.maxBufferBytes / 2) return;
    this.#owesDrained = false;
    this.client.drained();
  }

  // ── Watched

  checkDeadline(nowMs: number): number | undefined {
    if (this.#state === "closing") this.#stream.destroy();
    if (this.#state !== "open") return undefined;
    return this.client.isConnected ? this.#checkSilence(nowMs) : this.#checkConnect(nowMs);
  }

  // ── Handshaking

  evict(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#intake.stop();
    this.#stream.destroy();
  }

  /** Looked at once a turn, whose share of packets bounds what is answered in between. */
  #holdUpReading(bytes: number): void {
    const { maxBufferBytes } = this.#host;
    if (!this.#isOverfull && bytes >= maxBufferBytes * OVERFULL_RATIO) {
      this.#isOverfull = true;
      this.#intake.block(Block.overfull);
    } else if (this.#isOverfull && bytes < maxBufferBytes) {
      this.#isOverfull = false;
      this.#intake.unblock(Block.overfull);
    }
  }

  #receivedInHandshake(bytes: number): void {
    this.receivedBytes += bytes;
    this.#host.handshakes.received(bytes);
  }

  #connectAdmitted(packet: ClientPacket): Promise<void> | undefined {
    this.#phase = "admitted";
    this.#entrant = undefined;
    const { clock, connectTimeoutMs } = this.#host;
    this.#connectDueMs = clock.nowMs() + connectTimeoutMs;
    return this.client.handle(packet);
  }

  #leaveLine(): void {
    this.#host.handshakes.end(this);
    if (this.#entrant !== undefined) this.#host.admission.leave(this.#entrant);
    this.#entrant = undefined;
  }

  #reached(limit: LimitName): void {
    this.#host.counters.limitReached[limit] += 1;
  }

  #checkConnect(nowMs: number): number | undefined {
    const { connectTimeoutMs } = this.#host;
    // Its time does not run while it is the broker that lets it wait
    if (this.#phase === "waiting") return nowMs + connectTimeoutMs;
    if (this.#connectDueMs > nowMs) return this.#connectDueMs;
    this.#reached("limits.connectTimeoutS");
    this.#host.counters.connectionsRefused += 1;
    this.close();
    return undefined;
  }

  #checkSilence(nowMs: number): number | undefined {
    const maxSilenceMs = this.#settings?.maxSilenceMs ?? 0;
    if (maxSilenceMs === 0) return undefined;
    if (this.#intake.isHeldUp) return nowMs + maxSilenceMs;
    const dueMs = this.#intake.lastHeardMs + maxSilenceMs;
    if (dueMs > nowMs) return dueMs;
    this.#reached("mqtt.maxKeepAliveS");
    this.client.silent();
    return nowMs + maxSilenceMs;
  }

  #sayEnd(): void {
    if (this.#hasSaidEnd || !this.#queue.isIdle) return;
    this.#hasSaidEnd = true;
    this.#stream.end();
  }

  #finish(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#leaveLine();
    this.#queue.clear();
    this.#host.forget(this);
    this.client.closed();
  }

  get #version(): ProtocolVersion {
    return this.#settings?.protocolVersion ?? this.#refusalVersion ?? this.#intake.protocolVersion;
  }

  get #maxOutgoingPacketBytes(): number {
    return this.#settings?.maxOutgoingPacketBytes ?? Infinity;
  }
}
