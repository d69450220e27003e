import { connect, type Socket } from "node:net";
import {
  encodePacket,
  PacketDecoder,
  type AckPacket,
  type ConnackPacket,
  type Packet,
  type ProtocolVersion,
  type PublishPacket,
  type Qos,
  type Will,
} from "@weir/protocol";
import type { Random } from "../random.ts";
import type { ConnectionSpan, Ledger, Received, Sent } from "./ledger.ts";

export interface TortureClientOptions {
  readonly name: string;
  readonly version?: ProtocolVersion;
  /** 0: the session ends with the connection. */
  readonly sessionExpiryS?: number;
  readonly filters?: readonly { readonly topicFilter: string; readonly qos: Qos }[];
  /** It has a session already. */
  readonly resumes?: boolean;
  /** What a publisher publishes next. */
  readonly next?: () => { readonly topic: string; readonly qos: Qos; readonly retain: boolean };
}

interface Outbound {
  readonly message: Sent;
  readonly packet: PublishPacket;
  isReleased: boolean;
}

const MAX_PACKET_BYTES = 1_048_576;
const ANSWER_DELAY_MS = 25;
const MAX_PADDING = 600;

/** A client that keeps MQTT's rules through every loss of the broker, and writes down what it has seen. */
export class TortureClient {
  readonly options: TortureClientOptions;
  received: Received[] = [];
  /** By topic filter, on the ledger's count: from then on what matches must come. */
  readonly grantedAt = new Map<string, number>();
  /** How many messages it may still publish. */
  quota = 0;
  window = 1;
  will: Will | undefined;
  receiveMaximum = 65_535;
  /** Answers at once what it receives. */
  isEager = false;
  readonly #ledger: Ledger;
  readonly #random: Random;
  #socket: Socket | undefined;
  #span: ConnectionSpan = { grantedAt: 0, endedAtMs: undefined };
  #isConnected = false;
  /** Of this connection. */
  #receiveMaximum = 0;
  #session: "none" | "maybe" | "there" = "none";
  #lastPacketId = 0;
  #published = 0;
  #gone: Promise<void> = Promise.resolve();
  /** Own PUBLISHes in the order in which they were sent first. */
  readonly #outbound = new Map<number, Outbound>();
  readonly #subscribing = new Map<number, string>();
  /** Received at QoS 2 and not released. */
  readonly #inbound = new Map<number, string>();
  /** What this connection's receive maximum counts. */
  readonly #unfinished = new Set<number>();
  #answers: { readonly packet: AckPacket; readonly received?: Received }[] = [];

  constructor(options: TortureClientOptions, ledger: Ledger, random: Random) {
    this.options = options;
    this.#ledger = ledger;
    this.#random = random;
    if (options.resumes === true) this.#session = "there";
  }

  get isUp(): boolean {
    return this.#socket !== undefined;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Everything it began is finished. */
  get isQuiet(): boolean {
    return this.#outbound.size + this.#subscribing.size + this.#inbound.size + this.#answers.length === 0;
  }

  /** Resolves when its connection has ended, with all that was in the socket. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  connect(port: number): void {
    if (this.#socket) return;
    const { name, version = 5, sessionExpiryS = 3_600 } = this.options;
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const decoder = new PacketDecoder({
      from: "server",
      maxPacketBytes: MAX_PACKET_BYTES,
      protocolVersion: version,
    });
    this.#socket = socket;
    this.#receiveMaximum = this.receiveMaximum;
    this.#span = { grantedAt: 0, endedAtMs: undefined };
    this.#gone = new Promise((resolve) => socket.on("close", resolve));
    socket.on("error", () => undefined); // `close` follows
    socket.on("data", (chunk) => this.#read(socket, decoder, chunk));
    socket.on("close", () => this.#left(socket));
    const isPersistent = sessionExpiryS > 0;
    this.#send({
      type: "connect",
      protocolVersion: version,
      clientId: name,
      cleanStart: !isPersistent,
      keepAlive: 0,
      properties:
        version === 5 ? { sessionExpiryInterval: sessionExpiryS, receiveMaximum: this.receiveMaximum } : {},
      ...(this.will && { will: this.will }),
    });
  }

  /** In good order: no will. */
  leave(): void {
    const socket = this.#socket;
    if (!this.#isConnected || !socket) return this.cut();
    this.#send({ type: "disconnect", reasonCode: 0 });
    socket.end();
    this.#left(socket);
  }

  cut(): void {
    const socket = this.#socket;
    socket?.destroy();
    if (socket) this.#left(socket);
  }

  /** Publishes as much as its window and its quota let it. */
  pump(): void {
    while (this.#isConnected && this.quota > 0 && this.#outbound.size < this.window) this.#publish();
  }

  // ── What it sends

  #publish(): void {
    const { name, next } = this.options;
    if (!next) return;
    this.quota -= 1;
    this.#published += 1;
    const { topic, qos, retain } = next();
    const id = `${name}-${this.#published}`;
    const sentAt = this.#ledger.tick();
    const message: Sent = {
      id,
      by: name,
      number: this.#published,
      topic,
      qos,
      retain,
      sentAt,
      lastSentAt: sentAt,
      sendings: 1,
      isAcknowledged: false,
      acknowledgedAtMs: undefined,
    };
    this.#ledger.sent.set(id, message);
    const payload = Buffer.from(`${id} ${"x".repeat(this.#random.below(MAX_PADDING))}`);
    const packetId = this.#nextPacketId();
    const packet: PublishPacket = { type: "publish", topic, payload, qos, retain, dup: false, packetId };
    this.#outbound.set(packetId, { message, packet, isReleased: false });
    this.#send(packet);
  }

  #subscribe(): void {
    for (const { topicFilter, qos } of this.options.filters ?? []) {
      const isPersistent = this.options.sessionExpiryS !== 0;
      if (isPersistent && this.grantedAt.has(topicFilter)) continue;
      const packetId = this.#nextPacketId();
      this.#subscribing.set(packetId, topicFilter);
      const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
      this.#send({ type: "subscribe", packetId, subscriptions: [{ topicFilter, qos, ...plain }] });
    }
  }

  /** What was not acknowledged goes out again, in the old order, under its packet id [MQTT-4.4.0-1]. */
  #resend(): void {
    for (const { message, packet, isReleased } of this.#outbound.values()) {
      if (isReleased) this.#send({ type: "pubrel", packetId: packet.packetId, reasonCode: 0 });
      else {
        message.sendings += 1;
        message.lastSentAt = this.#ledger.tick();
        this.#send({ ...packet, dup: true });
      }
    }
  }

  #answer(packet: AckPacket, received?: Received): void {
    this.#answers.push({ packet, ...(received && { received }) });
    if (this.isEager || this.#random.chance(0.7)) return this.#flushAnswers();
    if (this.#answers.length === 1) setTimeout(() => this.#flushAnswers(), ANSWER_DELAY_MS);
  }

  #flushAnswers(): void {
    if (!this.#isConnected) return;
    for (const { packet, received } of this.#answers) {
      this.#send(packet);
      if (received) received.answeredAtMs = Date.now();
      if (packet.type !== "pubrec") this.#unfinished.delete(packet.packetId);
    }
    this.#answers = [];
  }

  #send(packet: Packet): void {
    if (this.#socket?.writable) this.#socket.write(encodePacket(packet, this.options.version ?? 5));
  }

  // ── What it reads

  #read(socket: Socket, decoder: PacketDecoder, chunk: Buffer): void {
    try {
      decoder.push(chunk);
      for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
        if (socket === this.#socket) this.#take(packet);
      }
    } catch (error) {
      this.#fail(`could not read what came: ${String(error)}`);
      this.cut();
    }
  }

  #take(packet: Packet): void {
    switch (packet.type) {
      case "connack":
        return this.#connected(packet);
      case "publish":
        return this.#receive(packet);
      case "puback":
      case "pubrec":
        return this.#acknowledged(packet);
      case "pubcomp":
        this.#outbound.delete(packet.packetId);
        return this.pump();
      case "pubrel":
        this.#inbound.delete(packet.packetId);
        return this.#answer({ type: "pubcomp", packetId: packet.packetId, reasonCode: 0 });
      case "suback":
        return this.#subscribed(packet.packetId, packet.reasonCodes);
      case "disconnect":
        if (packet.reasonCode !== 0x8b) this.#fail(`DISCONNECT 0x${packet.reasonCode.toString(16)}`);
        return;
      default:
        return this.#fail(`did not expect ${packet.type}`);
    }
  }

  #connected({ reasonCode, sessionPresent }: ConnackPacket): void {
    if (reasonCode !== 0) return this.#fail(`CONNECT was refused with 0x${reasonCode.toString(16)}`);
    const isPersistent = this.options.sessionExpiryS !== 0;
    if (this.#session === "there" && !sessionPresent) this.#fail("its session is gone");
    if (this.#session === "none" && sessionPresent) this.#fail("has a session that it never made");
    this.#session = isPersistent ? "there" : "none";
    this.#isConnected = true;
    if (!sessionPresent) this.#inbound.clear();
    this.#resend();
    this.#subscribe();
    this.pump();
  }

  #receive({ payload, topic, qos, retain, dup, packetId }: PublishPacket): void {
    const [id = ""] = Buffer.from(payload).toString().split(" ");
    if (qos > 0) this.#unfinished.add(packetId);
    const { version = 5 } = this.options;
    if (version === 5 && this.#unfinished.size > this.#receiveMaximum)
      this.#fail(`got more than its receive maximum`);
    const known = qos === 2 ? this.#inbound.get(packetId) : undefined;
    if (known !== undefined) {
      if (known !== id) this.#fail(`got ${id} under the packet id of ${known}, which is not released`);
      if (!dup) this.#fail(`got ${id} again without DUP [MQTT-3.3.1-1]`);
      return this.#answer({ type: "pubrec", packetId, reasonCode: 0 });
    }
    const received: Received = {
      id,
      topic,
      qos,
      retain,
      receivedAt: this.#ledger.tick(),
      connection: this.#span,
      answeredAtMs: undefined,
    };
    this.received.push(received);
    if (qos === 1) this.#answer({ type: "puback", packetId, reasonCode: 0 }, received);
    if (qos !== 2) return;
    this.#inbound.set(packetId, id);
    this.#answer({ type: "pubrec", packetId, reasonCode: 0 });
  }

  #acknowledged({ type, packetId, reasonCode }: AckPacket): void {
    const outbound = this.#outbound.get(packetId);
    if (!outbound) return this.#fail(`${type} for packet id ${packetId}, which is not in use`);
    const { message } = outbound;
    if ((type === "puback") !== (message.qos === 1)) this.#fail(`${type} for QoS ${message.qos}`);
    if (reasonCode >= 0x80) this.#fail(`${message.id} was refused with 0x${reasonCode.toString(16)}`);
    if (!message.isAcknowledged) this.#ledger.acknowledged += 1;
    message.isAcknowledged = true;
    message.acknowledgedAtMs ??= Number(process.hrtime.bigint()) / 1e6;
    if (type === "pubrec") {
      outbound.isReleased = true;
      return this.#send({ type: "pubrel", packetId, reasonCode: 0 });
    }
    this.#outbound.delete(packetId);
    this.pump();
  }

  #subscribed(packetId: number, reasonCodes: readonly number[]): void {
    const topicFilter = this.#subscribing.get(packetId);
    this.#subscribing.delete(packetId);
    if (topicFilter === undefined) return this.#fail(`SUBACK for packet id ${packetId}, which is not in use`);
    if (reasonCodes.some((code) => code >= 0x80)) return this.#fail(`${topicFilter} was refused`);
    this.#span.grantedAt = this.#ledger.tick();
    if (!this.grantedAt.has(topicFilter)) this.grantedAt.set(topicFilter, this.#span.grantedAt);
  }

  #left(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#span.endedAtMs = Date.now();
    // The CONNECT may have reached the broker
    if (!this.#isConnected && this.#session === "none" && this.options.sessionExpiryS !== 0)
      this.#session = "maybe";
    this.#isConnected = false;
    this.#answers = [];
    this.#subscribing.clear();
    this.#unfinished.clear();
    if (this.options.sessionExpiryS === 0) this.#inbound.clear();
  }

  #nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 200) + 1;
    while (this.#outbound.has(this.#lastPacketId) || this.#subscribing.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  #fail(what: string): void {
    this.#ledger.fail(`${this.options.name}: ${what}`);
  }
}
