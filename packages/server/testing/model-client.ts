import type { AckPacket, ConnackPacket, Qos, Will } from "@weir/protocol";
import { connectPacket, type CoreFixture, publishPacket, subscribePacket } from "./core-fixture.ts";
import type { FakeLink, SentPublish } from "./fake-link.ts";

/** A message that a model client has published, with all that became of it on its side. */
export interface Published {
  /** The payload: no two messages have the same. */
  readonly id: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly by: string;
  /** On the script's own count of steps. */
  readonly sentAt: number;
  lastSentAt: number;
  /** PUBACK or PUBREC below 0x80 has come. */
  isAcknowledged: boolean;
  isRefused: boolean;
  /** How often PUBLISH was sent. */
  sendings: number;
  isReleased: boolean;
}

/** A message as it reached an application. */
export interface Delivered {
  readonly id: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** Which of the client's sessions and connections it came in. */
  readonly session: number;
  readonly connection: number;
  /** When the last acknowledgement of the receiver went out, on the broker's clock; undefined: not yet. */
  acknowledgedAtMs: number | undefined;
}

/** What a client has asked for, with the steps at which SUBACK came, and the answer to what ended it. */
export interface Wanted {
  readonly topicFilter: string;
  readonly qos: Qos;
  readonly askedAt: number;
  grantedAt: number | undefined;
  endedAt: number | undefined;
  endedBy: "unsubscribe" | Wanted | undefined;
}

export interface ModelClientOptions {
  readonly clientId: string;
  readonly isPersistent: boolean;
  readonly username?: string;
  readonly will?: Will;
  readonly receiveMaximum?: number;
}

/** What all clients of one run share. */
export interface ModelWorld {
  readonly fixture: CoreFixture;
  readonly step: number;
  /** The broker has crashed and is not there again. */
  readonly isDown: boolean;
  fail(what: string): void;
}

/**
 * A client that keeps MQTT's rules for clients: it sends again what was not acknowledged when it comes back to its
 * session, counts QoS 2 once by packet id, and writes down what it has seen.
 */
export class ModelClient {
  readonly options: ModelClientOptions;
  readonly published: Published[] = [];
  readonly delivered: Delivered[] = [];
  readonly wanted: Wanted[] = [];
  /** Reads and answers nothing. */
  isLazy = false;
  /** Whether the broker has a session of it: `maybe` where CONNACK never came. */
  session: "none" | "maybe" | "there" = "none";
  sessions = 0;
  connections = 0;
  losses = 0;
  readonly #world: ModelWorld;
  /** `session` as it was when the last CONNECT was sent. */
  #before: "none" | "maybe" | "there" = "none";
  #link: FakeLink | undefined;
  #isConnected = false;
  #lastPacketId = 0;
  /** Own PUBLISHes under way, in the order in which they were sent first. */
  #outbound = new Map<number, Published>();
  /** By packet id: what its answer grants, and what it ends. */
  #subscribing = new Map<
    number,
    { readonly granted: Wanted | undefined; readonly ended: readonly Wanted[] }
  >();
  /** Received at QoS 2 and not released. */
  #inbound = new Map<number, Delivered>();
  /** Received at QoS 1 and not acknowledged, on this connection. */
  #unanswered = new Set<number>();

  constructor(options: ModelClientOptions, world: ModelWorld) {
    this.options = options;
    this.#world = world;
  }

  get isUp(): boolean {
    return this.#link !== undefined;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get isQuiet(): boolean {
    return this.#outbound.size === 0 && this.#subscribing.size === 0;
  }

  // ── What it does

  connect(): void {
    if (this.#link || this.#world.isDown) return;
    const { clientId, isPersistent, username, will, receiveMaximum } = this.options;
    this.#link = this.#world.fixture.link();
    this.connections += 1;
    this.#isConnected = false;
    this.#before = this.session;
    if (isPersistent && this.session === "none") this.session = "maybe";
    this.#link.give(
      connectPacket(clientId, {
        cleanStart: !isPersistent,
        properties: {
          ...(isPersistent && { sessionExpiryInterval: 3_600 }),
          ...(receiveMaximum !== undefined && { receiveMaximum }),
        },
        ...(username !== undefined && { username }),
        ...(will && { will }),
      }),
    );
  }

  disconnect(): void {
    if (!this.#isConnected) return;
    this.#link?.give({ type: "disconnect", reasonCode: 0 });
    this.#gone();
  }

  lose(): void {
    if (!this.#link) return;
    if (this.#isConnected) this.losses += 1;
    this.#link.cut();
    this.#gone();
  }

  /** The broker has crashed. */
  forsaken(): void {
    if (this.#link && this.#isConnected) this.losses += 1;
    this.#link?.vanish();
    this.#gone();
  }

  publish(topic: string, id: string, qos: Qos, retain: boolean): void {
    if (!this.#isConnected || !this.#link || this.#outbound.size > 11) return;
    const message: Published = {
      id,
      topic,
      qos,
      retain,
      by: this.options.clientId,
      sentAt: this.#world.step,
      lastSentAt: this.#world.step,
      isAcknowledged: false,
      isRefused: false,
      sendings: 1,
      isReleased: false,
    };
    this.published.push(message);
    const packetId = qos === 0 ? 0 : this.#nextPacketId();
    if (qos > 0) this.#outbound.set(packetId, message);
    this.#link.give(publishPacket(topic, payloadOf(message), { qos, retain, packetId }));
  }

  subscribe(topicFilter: string, qos: Qos): void {
    if (!this.#isConnected) return;
    const wanted: Wanted = {
      topicFilter,
      qos,
      askedAt: this.#world.step,
      grantedAt: undefined,
      endedAt: undefined,
      endedBy: undefined,
    };
    const ended = this.#endWanted(topicFilter, wanted);
    this.wanted.push(wanted);
    const packetId = this.#nextPacketId();
    this.#subscribing.set(packetId, { granted: wanted, ended });
    this.#link?.give(subscribePacket(packetId, { topicFilter, qos }));
  }

  unsubscribe(topicFilter: string): void {
    if (!this.#isConnected) return;
    const ended = this.#endWanted(topicFilter, "unsubscribe");
    const packetId = this.#nextPacketId();
    this.#subscribing.set(packetId, { granted: undefined, ended });
    this.#link?.give({ type: "unsubscribe", packetId, topicFilters: [topicFilter] });
  }

  setRoom(hasRoom: boolean): void {
    if (this.#link && !this.#link.isClosed) this.#link.hasRoom = hasRoom;
  }

  /** Reads what has come, at most `limit` packets, and answers. */
  process(limit = Infinity): void {
    const link = this.#link;
    if (!link || this.isLazy) return;
    for (let count = 0; count < limit; count += 1) {
      const packet = link.received.shift();
      if (!packet) break;
      if (packet.type === "connack") this.#connack(packet);
      else if (packet.type === "publish") this.#receive(packet);
      else if (packet.type === "suback" || packet.type === "unsuback") this.#subscribed(packet.packetId);
      else if (packet.type === "puback" || packet.type === "pubrec") this.#acknowledged(packet);
      else if (packet.type === "pubrel") this.#released(packet);
      else if (packet.type === "pubcomp") this.#completed(packet);
    }
    if (this.#link === link && link.isClosed && link.received.length === 0) {
      if (this.#isConnected) this.losses += 1;
      this.#gone();
    }
  }

  // ── What it answers

  #connack(packet: ConnackPacket): void {
    if (packet.reasonCode !== 0) return;
    this.#isConnected = true;
    const expected = this.#before === "maybe" ? packet.sessionPresent : this.#before === "there";
    if (packet.sessionPresent !== expected) this.#fail(`Session Present is ${packet.sessionPresent}`);
    if (!packet.sessionPresent) {
      this.sessions += 1;
      for (const wanted of this.wanted) this.#endWanted(wanted.topicFilter, "unsubscribe");
      for (const wanted of this.wanted) wanted.endedAt ??= this.#world.step;
      this.#outbound.clear();
      this.#inbound.clear();
    }
    this.session = this.options.isPersistent ? "there" : "none";
    for (const [packetId, message] of this.#outbound) this.#sendAgain(packetId, message);
  }

  #sendAgain(packetId: number, message: Published): void {
    if (message.isReleased) {
      this.#link?.give({ type: "pubrel", packetId, reasonCode: 0 });
      return;
    }
    message.sendings += 1;
    message.lastSentAt = this.#world.step;
    const { topic, qos, retain } = message;
    this.#link?.give(publishPacket(topic, payloadOf(message), { qos, retain, packetId, dup: true }));
  }

  #receive(packet: SentPublish): void {
    const { packetId, qos, dup } = packet;
    const id = packet.payload;
    if (qos === 2) {
      const known = this.#inbound.get(packetId);
      if (known && known.id !== id)
        this.#fail(`packet id ${packetId} stands for ${known.id}, and now for ${id}`);
      if (!known) this.#inbound.set(packetId, this.#deliver(packet));
      this.#link?.give({ type: "pubrec", packetId, reasonCode: 0 });
      return;
    }
    const delivered = this.#deliver(packet);
    if (qos === 0) return;
    if (this.#unanswered.has(packetId) && !dup) this.#fail(`packet id ${packetId} is in use`);
    this.#unanswered.add(packetId);
    this.#answerQos1(packetId, delivered);
  }

  #answerQos1(packetId: number, delivered: Delivered): void {
    if (!this.#link?.isClosed) delivered.acknowledgedAtMs = this.#world.fixture.clock.nowMs();
    this.#unanswered.delete(packetId);
    this.#link?.give({ type: "puback", packetId, reasonCode: 0 });
  }

  #deliver({ payload, topic, qos, retain, dup }: SentPublish): Delivered {
    const delivered: Delivered = {
      id: payload,
      topic,
      qos,
      retain,
      dup,
      session: this.sessions,
      connection: this.connections,
      acknowledgedAtMs: undefined,
    };
    this.delivered.push(delivered);
    return delivered;
  }

  #endWanted(topicFilter: string, by: "unsubscribe" | Wanted): Wanted[] {
    const ended = this.wanted.filter((wanted) => wanted.topicFilter === topicFilter);
    for (const wanted of ended) wanted.endedBy ??= by;
    return ended;
  }

  #subscribed(packetId: number): void {
    const change = this.#subscribing.get(packetId);
    if (change?.granted) change.granted.grantedAt = this.#world.step;
    for (const wanted of change?.ended ?? []) wanted.endedAt ??= this.#world.step;
    this.#subscribing.delete(packetId);
  }

  #acknowledged({ type, packetId, reasonCode }: AckPacket): void {
    const message = this.#outbound.get(packetId);
    if (!message) return this.#fail(`${type} for packet id ${packetId}, which is not in use`);
    if ((type === "puback") !== (message.qos === 1)) this.#fail(`${type} for QoS ${message.qos}`);
    if (reasonCode >= 0x80) message.isRefused = true;
    else message.isAcknowledged = true;
    if (type === "puback" || reasonCode >= 0x80) {
      this.#outbound.delete(packetId);
      return;
    }
    message.isReleased = true;
    this.#link?.give({ type: "pubrel", packetId, reasonCode: 0 });
  }

  #released({ packetId, reasonCode }: AckPacket): void {
    const delivered = this.#inbound.get(packetId);
    if (delivered) delivered.acknowledgedAtMs = this.#world.fixture.clock.nowMs();
    this.#inbound.delete(packetId);
    if (reasonCode < 0x80) this.#link?.give({ type: "pubcomp", packetId, reasonCode: 0 });
  }

  #completed({ packetId }: AckPacket): void {
    this.#outbound.delete(packetId);
  }

  #nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 16) + 1;
    while (this.#outbound.has(this.#lastPacketId) || this.#subscribing.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  #gone(): void {
    this.#link = undefined;
    this.#isConnected = false;
    this.#subscribing.clear();
    this.#unanswered.clear();
  }

  #fail(what: string): void {
    this.#world.fail(`${this.options.clientId}: ${what}`);
  }
}

/** A retained message of that id is cleared by an empty payload. */
export const clearing = "clear";

function payloadOf({ id }: Published): string {
  return id.startsWith(clearing) ? "" : id;
}
