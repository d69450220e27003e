import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";
import {
  type ConnackPacket,
  encodePacket,
  type Packet,
  PacketDecoder,
  type PublishPacket,
  type Qos,
} from "@weir/protocol";

/** A message as the broker sent it. */
export interface ConsumedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Kept by the broker from before: sent because the subscription is new. */
  readonly retain: boolean;
}

export interface MqttConsumerOptions {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string;
  readonly clientId: string;
  /** The key of an access token. */
  readonly token: string;
  readonly filters: readonly string[];
  /** Seconds for which the broker keeps what arrives while the consumer is away. */
  readonly sessionExpiryS: number;
  /** Messages in a batch at most. Twice as many may be on their way. */
  readonly maxBatch: number;
  /**
   * Does the work. What it was given is acknowledged when the promise resolves, and not before: after a rejection, or
   * the end of the process, the broker sends it again. So a message may come twice, and must then do no harm.
   */
  readonly handle: (batch: readonly ConsumedMessage[]) => Promise<void>;
  readonly log: (event: ConsumerEvent) => void;
}

export type ConsumerEvent =
  | { readonly kind: "connected"; readonly sessionPresent: boolean }
  | { readonly kind: "disconnected"; readonly reason: string; readonly retryInMs: number };

const VERSION = 5;
const QOS: Qos = 1;
const KEEP_ALIVE_S = 30;
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_PACKET_BYTES = 1_048_576;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 15_000;
const SUBSCRIBE_ID = 1;

/** A message that waits for its acknowledgement. */
interface Waiting extends ConsumedMessage {
  readonly packetId: number;
}

/**
 * A consumer with a persistent session that works in batches: what arrives while a batch is handled makes the next one,
 * so that one commit and one write acknowledge many messages. It connects again by itself, for ever.
 *
 * Copy it into a service of your own: all that it needs is `@weir/protocol`.
 */
export class MqttConsumer {
  readonly #options: MqttConsumerOptions;
  #connection: Connection | undefined;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: MqttConsumerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#connection = new Connection(this.#options, {
      ready: (sessionPresent) => this.#ready(sessionPresent),
      arrived: (connection) => this.#work(connection),
      lost: (connection, reason) => this.#lost(connection, reason),
    });
  }

  /** Resolves when the batch in work is acknowledged and the connection is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    await this.#working;
    this.#connection?.end();
  }

  #ready(sessionPresent: boolean): void {
    this.#retryMs = FIRST_RETRY_MS;
    this.#options.log({ kind: "connected", sessionPresent });
  }

  #work(connection: Connection): void {
    this.#working ??= this.#handleAll(connection).finally(() => {
      this.#working = undefined;
      const current = this.#connection;
      if (current && current.waiting > 0 && !this.#isClosed) this.#work(current);
    });
  }

  async #handleAll(connection: Connection): Promise<void> {
    try {
      while (connection.waiting > 0 && connection === this.#connection && !this.#isClosed) {
        const batch = connection.take(this.#options.maxBatch);
        await this.#options.handle(batch);
        connection.acknowledge(batch);
      }
    } catch (error) {
      connection.fail(`a batch could not be handled: ${String(error)}`);
    }
  }

  #lost(connection: Connection, reason: string): void {
    if (this.#isClosed || connection !== this.#connection) return;
    this.#connection = undefined;
    const retryInMs = Math.round(this.#retryMs * (0.5 + Math.random()));
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
    this.#options.log({ kind: "disconnected", reason, retryInMs });
    this.#retry = setTimeout(() => this.start(), retryInMs);
  }
}

interface ConnectionEvents {
  readonly ready: (sessionPresent: boolean) => void;
  readonly arrived: (connection: Connection) => void;
  readonly lost: (connection: Connection, reason: string) => void;
}

/** One network connection: from CONNECT to whatever ends it. */
class Connection {
  readonly #options: MqttConsumerOptions;
  readonly #events: ConnectionEvents;
  readonly #socket: Socket;
  readonly #decoder: PacketDecoder = new PacketDecoder({
    from: "server",
    maxPacketBytes: MAX_PACKET_BYTES,
    protocolVersion: VERSION,
  });
  #waiting: Waiting[] = [];
  #ping: NodeJS.Timeout | undefined;
  #reason = "the connection was closed";

  constructor(options: MqttConsumerOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#socket = openSocket(options.url);
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(CONNECT_TIMEOUT_MS, () => this.fail("the broker is silent"));
    this.#socket.once(this.#socket instanceof TLSSocket ? "secureConnect" : "connect", () =>
      this.#sendConnect(),
    );
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#socket.on("error", (error) => (this.#reason = error.message));
    this.#socket.on("close", () => this.#closed());
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** The oldest that wait, in order. */
  take(max: number): Waiting[] {
    return this.#waiting.splice(0, max);
  }

  acknowledge(batch: readonly Waiting[]): void {
    if (!this.#socket.writable) return; // the session has them: they come again
    const acks = batch.map(({ packetId }) =>
      encodePacket({ type: "puback", packetId, reasonCode: 0 }, VERSION),
    );
    this.#socket.write(Buffer.concat(acks));
  }

  fail(reason: string): void {
    this.#reason = reason;
    this.#socket.destroy();
  }

  /** Leaves in good order; the session stays. */
  end(): void {
    this.#socket.end(encodePacket({ type: "disconnect", reasonCode: 0 }, VERSION));
  }

  #closed(): void {
    clearInterval(this.#ping);
    this.#events.lost(this, this.#reason);
  }

  #read(chunk: Uint8Array): void {
    try {
      this.#decoder.push(chunk);
      for (let packet = this.#decoder.next(); packet; packet = this.#decoder.next()) this.#receive(packet);
    } catch (error) {
      this.fail(String(error));
      return;
    }
    if (this.#waiting.length > 0) this.#events.arrived(this);
  }

  #receive(packet: Packet): void {
    if (packet.type === "publish") this.#receivePublish(packet);
    else if (packet.type === "connack") this.#receiveConnack(packet);
    else if (packet.type === "suback" && packet.reasonCodes.some((code) => code >= 0x80))
      this.fail(`the subscription was refused: ${packet.reasonCodes.map(hex).join(", ")}`);
    else if (packet.type === "disconnect") this.fail(`the broker said DISCONNECT ${hex(packet.reasonCode)}`);
  }

  #receivePublish({ topic, payload, retain, packetId }: PublishPacket): void {
    // A copy: the payload is a view of the chunk, which would be kept whole
    this.#waiting.push({ topic, payload: payload.slice(), retain, packetId });
  }

  #sendConnect(): void {
    const { clientId, token, sessionExpiryS, maxBatch } = this.#options;
    this.#send({
      type: "connect",
      protocolVersion: VERSION,
      cleanStart: false,
      keepAlive: KEEP_ALIVE_S,
      clientId,
      username: token,
      properties: { sessionExpiryInterval: sessionExpiryS, receiveMaximum: Math.min(maxBatch * 2, 65_535) },
    });
  }

  #receiveConnack({ reasonCode, sessionPresent, properties }: ConnackPacket): void {
    if (reasonCode >= 0x80) {
      this.fail(`the broker refused the connection: ${hex(reasonCode)} ${properties?.reasonString ?? ""}`);
      return;
    }
    const everyS = properties?.serverKeepAlive ?? KEEP_ALIVE_S;
    this.#ping = setInterval(() => this.#send({ type: "pingreq" }), everyS * 500);
    this.#socket.setTimeout(everyS * 1_500);
    this.#subscribe();
    this.#events.ready(sessionPresent);
  }

  /** Also in a session that is resumed: the filters may be others than last time. */
  #subscribe(): void {
    const options = { qos: QOS, noLocal: false, retainAsPublished: false, retainHandling: 1 } as const;
    const subscriptions = this.#options.filters.map((topicFilter) => ({ topicFilter, ...options }));
    this.#send({ type: "subscribe", packetId: SUBSCRIBE_ID, subscriptions });
  }

  #send(packet: Packet): void {
    this.#socket.write(encodePacket(packet, VERSION));
  }
}

function openSocket(text: string): Socket {
  const url = new URL(text);
  const isTls = url.protocol === "mqtts:";
  const address = { host: url.hostname, port: Number(url.port || (isTls ? 8883 : 1883)) };
  return isTls ? connectTls({ ...address, servername: url.hostname }) : createConnection(address);
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, "0")}`;
}
