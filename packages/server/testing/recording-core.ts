import type { ClientPacket, ProtocolError } from "@weir/protocol";
import type { ClientHandler, ConnectionCore } from "../src/connection/client-handler.ts";
import type { Message } from "../src/core/ports/message.ts";
import type { Link, LinkSettings, OutgoingPublish, Peer } from "../src/core/ports/transport.ts";

/** Stands in for the core: accepts every CONNECT, answers pings, obeys DISCONNECT, and writes down what happens. */
export class RecordingCore implements ConnectionCore {
  readonly clients: RecordingClient[] = [];
  /** What CONNECT settles. */
  settings: Partial<LinkSettings> = {};
  /** Looked at first; what it returns is what `handle` returns. */
  onPacket: (packet: ClientPacket, client: RecordingClient) => Promise<void> | undefined = () => undefined;
  readonly #waiting: (() => void)[] = [];

  connect(link: Link, peer: Peer): ClientHandler {
    const client = new RecordingClient(this, link, peer);
    this.clients.push(client);
    this.changed();
    return client;
  }

  get last(): RecordingClient {
    const last = this.clients.at(-1);
    if (last === undefined) throw new Error("nobody has connected");
    return last;
  }

  /** Resolves once it is so; what clients do is looked at, nothing else. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Something was written down. */
  changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** One client of a RecordingCore. */
export class RecordingClient implements ClientHandler {
  readonly link: Link;
  readonly peer: Peer;
  readonly packets: ClientPacket[] = [];
  readonly refusals: ProtocolError[] = [];
  isConnected = false;
  silentCount = 0;
  closedCount = 0;
  drainedCount = 0;
  readonly #core: RecordingCore;

  constructor(core: RecordingCore, link: Link, peer: Peer) {
    this.#core = core;
    this.link = link;
    this.peer = peer;
  }

  /** The types of what was handled, in order. */
  get types(): string[] {
    return this.packets.map((packet) => packet.type);
  }

  handle(packet: ClientPacket): Promise<void> | undefined {
    this.packets.push(packet);
    const pending = this.#core.onPacket(packet, this);
    if (pending === undefined) this.#answer(packet);
    this.#core.changed();
    return pending;
  }

  /** Configures the link and sends the accepting CONNACK. */
  accept(): void {
    const connect = this.packets.find((packet) => packet.type === "connect");
    if (connect === undefined) throw new Error("there was no CONNECT");
    this.link.configure({
      protocolVersion: connect.protocolVersion,
      maxSilenceMs: connect.keepAlive * 1_500,
      maxOutgoingPacketBytes: connect.properties.maximumPacketSize ?? Infinity,
      outgoingTopicAliasMaximum: connect.properties.topicAliasMaximum ?? 0,
      ...this.#core.settings,
    });
    this.link.send({ type: "connack", sessionPresent: false, reasonCode: 0 });
    this.isConnected = true;
  }

  refuse(error: ProtocolError): void {
    this.refusals.push(error);
    if (!this.isConnected)
      this.link.send({ type: "connack", sessionPresent: false, reasonCode: error.reasonCode });
    else this.link.send({ type: "disconnect", reasonCode: error.reasonCode });
    this.#core.changed();
  }

  silent(): void {
    this.silentCount++;
    this.link.send({ type: "disconnect", reasonCode: 0x8d });
    this.link.close();
    this.#core.changed();
  }

  closed(): void {
    this.closedCount++;
    this.#core.changed();
  }

  drained(): void {
    this.drainedCount++;
    this.#core.changed();
  }

  #answer(packet: ClientPacket): void {
    if (packet.type === "connect") this.accept();
    else if (packet.type === "pingreq") this.link.send({ type: "pingresp" });
    else if (packet.type === "disconnect") this.link.close();
  }
}

/** A message as the core routes it. */
export function messageOf(
  topic: string,
  payload: string | Uint8Array,
  properties?: Message["properties"],
): Message {
  return {
    topic: { name: topic, levels: topic.split("/") },
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
    qos: 0,
    retain: false,
    properties,
    expiresAtMs: Infinity,
    publisher: { sessionKey: "", realm: "", subject: "", clientId: "" },
    frames: undefined,
  };
}

/** How most messages go out. */
export const atQos0: OutgoingPublish = {
  qos: 0,
  packetId: 0,
  dup: false,
  retain: false,
  subscriptionIdentifiers: undefined,
  messageExpiryInterval: undefined,
};
