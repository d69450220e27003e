import type { AckPacket, ClientPacket, ReasonCode, ServerPacket } from "@weir/protocol";
import type { Message } from "../src/core/ports/message.ts";
import type { Link, LinkSettings, OutgoingPublish, Peer } from "../src/core/ports/transport.ts";
import type { BrokerCore } from "../src/core/session/broker-core.ts";
import type { Client } from "../src/core/session/client.ts";

const fakePeer: Peer = { transport: "tcp", address: "127.0.0.1", port: 1 };

/** A PUBLISH as the broker handed it to a link, with the message that it carries. */
export interface SentPublish extends OutgoingPublish {
  readonly type: "publish";
  readonly topic: string;
  readonly payload: string;
  readonly message: Message;
}

export type SentPacket = SentPublish | Exclude<ServerPacket, { type: "publish" }>;

const decoder = new TextDecoder();

/**
 * A network connection without bytes: the packets that the core sends wait in `received` until a test takes them, and
 * what a test sends reaches the core at once, unless the core has paused the link.
 */
export class FakeLink implements Link {
  /** What the core has sent and nobody has taken yet. */
  received: SentPacket[] = [];
  settings: LinkSettings | undefined;
  bufferedBytes = 0;
  /** The core has closed it, or the network is gone. */
  isClosed = false;
  isPaused = false;
  /** Looks at each PUBLISH in the instant in which the core sends it. */
  onPublish: (packet: SentPublish) => void = () => {};
  readonly client: Client;
  #hasRoom = true;
  #isBusy = false;
  #toSend: ClientPacket[] = [];

  constructor(core: BrokerCore, peer: Peer = fakePeer) {
    this.client = core.connect(this, peer);
  }

  get hasRoom(): boolean {
    return this.#hasRoom;
  }

  /** False: a peer that reads nothing, and whose buffer is full. */
  set hasRoom(hasRoom: boolean) {
    this.#hasRoom = hasRoom;
    if (hasRoom && !this.isClosed) this.client.drained();
  }

  // ── The peer's side

  /** Sends packets to the core, in order. */
  give(...packets: readonly ClientPacket[]): void {
    this.#toSend.push(...packets);
    this.#flush();
  }

  /** Takes what has come, all of it or what is of a type. */
  take(): SentPacket[];
  take<Type extends SentPacket["type"]>(type: Type): Extract<SentPacket, { type: Type }>[];
  take(type?: SentPacket["type"]): SentPacket[] {
    const taken = this.received.filter((packet) => type === undefined || packet.type === type);
    this.received = this.received.filter((packet) => !taken.includes(packet));
    return taken;
  }

  /** The network is gone, and with it what was under way. */
  cut(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.received = [];
    this.client.closed();
  }

  /** The broker's machine is gone: nothing reaches it or comes from it any more. */
  vanish(): void {
    this.isClosed = true;
    this.received = [];
  }

  // ── The core's side

  configure(settings: LinkSettings): void {
    this.settings = settings;
  }

  publish(message: Message, how: OutgoingPublish): boolean {
    if (this.isClosed) return true;
    const limit = this.settings?.maxOutgoingPacketBytes ?? Infinity;
    if (message.payload.length > limit) return false;
    if (how.qos === 0 && !this.hasRoom) throw new Error("QoS 0 to a link without room");
    const packet: SentPublish = {
      type: "publish",
      topic: message.topic.name,
      payload: decoder.decode(message.payload),
      message,
      ...how,
    };
    this.received.push(packet);
    this.onPublish(packet);
    return true;
  }

  ack(type: AckPacket["type"], packetId: number, reasonCode: ReasonCode): void {
    this.#receive({ type, packetId, reasonCode });
  }

  send(packet: ServerPacket): void {
    this.#receive(packet);
  }

  pause(isPaused: boolean): void {
    this.isPaused = isPaused;
    this.#flush();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    queueMicrotask(() => this.client.closed());
  }

  #receive(packet: ServerPacket): void {
    if (!this.isClosed && packet.type !== "publish") this.received.push(packet);
  }

  #flush(): void {
    while (!this.isClosed && !this.isPaused && !this.#isBusy) {
      const packet = this.#toSend.shift();
      if (!packet) return;
      const isHandled = this.client.handle(packet);
      if (isHandled) void this.#wait(isHandled);
    }
  }

  async #wait(isHandled: Promise<void>): Promise<void> {
    this.#isBusy = true;
    await isHandled;
    this.#isBusy = false;
    this.#flush();
  }
}
