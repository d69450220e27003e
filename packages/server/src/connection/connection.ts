import { ackSize, UnsupportedVersionError, writeAck } from "@weir/protocol";
import type { AckPacket, ProtocolError, ProtocolVersion, ReasonCode, ServerPacket } from "@weir/protocol";
import type { ByteSink, ByteStream } from "../core/ports/byte-stream.ts";
import type { Message } from "../core/ports/message.ts";
import type { Link, LinkSettings, OutgoingPublish, Peer } from "../core/ports/transport.ts";
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

/**
 * One network connection: the `Link` that the core sees, on a stream of bytes.
 *
 * - open: packets go both ways.
 * - closing: the last bytes leave; what comes is thrown away.
 * - gone: there is no network, but packets that had come before are still handled.
 * - closed: the client was told.
 */
export class Connection implements Link, ByteSink, Watched, IntakeOwner {
  dueMs = 0;
  slot: number = UNWATCHED;
  previousWatched: Watched | undefined = undefined;
  nextWatched: Watched | undefined = undefined;
  readonly client: ClientHandler;
  readonly #host: ConnectionHost;
  readonly #stream: ByteStream;
  readonly #queue: WriteQueue;
  readonly #intake: PacketIntake;
  readonly #openedAtMs: number;
  #state: "open" | "closing" | "gone" | "closed" = "open";
  #settings: LinkSettings | undefined;
  #publishWriter: PublishWriter | undefined;
  #refusalVersion: ProtocolVersion | undefined;
  /** Somebody was told that there is no room, and waits for `drained`. */
  #owesDrained = false;
  #hasSaidEnd = false;

  constructor(stream: ByteStream, peer: Peer, host: ConnectionHost) {
    this.#host = host;
    this.#stream = stream;
    this.#queue = new WriteQueue(stream, this, host);
    this.#openedAtMs = host.clock.nowMs();
    const { turns, clock, maxPacketBytes } = host;
    this.#intake = new PacketIntake(this, { stream, turns, clock, maxPacketBytes });
    this.client = host.core.connect(this, peer);
  }

  /** Starts to read. */
  open(): void {
    this.#host.deadlines.watch(this, this.#openedAtMs + this.#host.connectTimeoutMs);
    this.#stream.attach(this);
  }

  // ── Link

  get bufferedBytes(): number {
    return this.#queue.bytes;
  }

  get hasRoom(): boolean {
    if (this.#queue.bytes < this.#host.maxBufferBytes) return true;
    this.#owesDrained = true;
    return false;
  }

  configure(settings: LinkSettings): void {
    this.#settings = settings;
    this.#publishWriter = new PublishWriter(this.#queue, settings);
    if (settings.maxSilenceMs === 0 || this.#state !== "open") return;
    const silentAtMs = this.#intake.lastHeardMs + settings.maxSilenceMs;
    this.#host.deadlines.watch(this, Math.min(this.dueMs, silentAtMs));
  }

  publish(message: Message, how: OutgoingPublish): boolean {
    if (this.#state !== "open" || this.#publishWriter === undefined) return true;
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
    this.#intake.push(bytes);
  }

  taken(): void {
    this.#queue.taken();
  }

  ended(): void {
    this.#intake.ended();
  }

  gone(): void {
    if (this.#state === "closing") this.#finish();
    if (this.#state !== "open") return;
    this.#state = "gone";
    this.#queue.clear();
    this.#intake.gone();
  }

  // ── IntakeOwner

  get isOverfull(): boolean {
    return this.#queue.bytes >= this.#host.maxBufferBytes * OVERFULL_RATIO;
  }

  refused(error: ProtocolError): void {
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
    const { maxBufferBytes } = this.#host;
    if (bytes < maxBufferBytes) this.#intake.unblock(Block.overfull);
    if (!this.#owesDrained || bytes >= maxBufferBytes / 2) return;
    this.#owesDrained = false;
    this.client.drained();
  }

  // ── Watched

  checkDeadline(nowMs: number): number | undefined {
    if (this.#state === "closing") this.#stream.destroy();
    if (this.#state !== "open") return undefined;
    return this.client.isConnected ? this.#checkSilence(nowMs) : this.#checkConnect(nowMs);
  }

  #checkConnect(nowMs: number): number | undefined {
    const dueMs = this.#openedAtMs + this.#host.connectTimeoutMs;
    if (dueMs > nowMs) return dueMs;
    this.close();
    return undefined;
  }

  #checkSilence(nowMs: number): number | undefined {
    const maxSilenceMs = this.#settings?.maxSilenceMs ?? 0;
    if (maxSilenceMs === 0) return undefined;
    if (this.#intake.isHeldUp) return nowMs + maxSilenceMs;
    const dueMs = this.#intake.lastHeardMs + maxSilenceMs;
    if (dueMs > nowMs) return dueMs;
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
