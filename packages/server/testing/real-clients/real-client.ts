import type { Qos } from "@weir/protocol";

/** How a client reaches the broker. */
export type Transport = "tcp" | "tls" | "ws" | "wss";

export interface Address {
  readonly over: Transport;
  readonly port: number;
  /** For tls and wss: the CA, in PEM and in a file. */
  readonly ca: string;
  readonly caFile: string;
}

export interface RealClientOptions {
  /** 3 is MQTT 3.1. */
  readonly version: 3 | 4 | 5;
  readonly clientId: string;
  /** An access token's key. */
  readonly password: string;
  /** False keeps the session for an hour (in MQTT 3, for as long as the broker keeps any). */
  readonly cleanStart?: boolean;
  readonly will?: {
    readonly topic: string;
    readonly payload: string;
    readonly qos: Qos;
    readonly retain: boolean;
  };
}

export interface RealMessageProperties {
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
  readonly responseTopic?: string;
  readonly correlationData?: Buffer;
  readonly contentType?: string;
  /** Seconds. */
  readonly messageExpiryInterval?: number;
  readonly subscriptionIdentifiers?: readonly number[];
}

export interface RealMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: RealMessageProperties;
}

export interface RealPublishOptions {
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly properties?: RealMessageProperties;
}

export interface RealSubscribeOptions {
  readonly qos?: Qos;
  readonly noLocal?: boolean;
  readonly identifier?: number;
}

/** What SUBACK said of one filter. */
export interface Grant {
  readonly code: number;
  readonly userProperties: readonly (readonly [name: string, value: string])[];
}

/** A client library's connection, with what all of them can do. */
export interface RealClient {
  /** Of the CONNACK. */
  readonly reasonCode: number;
  readonly sessionPresent: boolean;
  /** The messages that came, and those to come. */
  readonly inbox: Inbox;
  subscribe(filter: string, options?: RealSubscribeOptions): Promise<Grant>;
  /** Resolves when the library says that it is done: for QoS 1 and 2, when the broker has acknowledged. */
  publish(topic: string, payload: string | Buffer, options?: RealPublishOptions): Promise<void>;
  /** Cuts the network; resolves when the library has come back by itself. */
  drop(): Promise<void>;
  /** Cuts the network for good, without a DISCONNECT. */
  cut(): Promise<void>;
  disconnect(): Promise<void>;
}

/** A client library. */
export interface RealClientLibrary {
  /** Resolves also where CONNECT was refused. */
  connect(address: Address, options: RealClientOptions): Promise<RealClient>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 20_000;

/** The messages that a client received, in their order. */
export class Inbox {
  readonly all: RealMessage[] = [];
  #taken = 0;
  #wake: (() => void) | undefined;

  put(message: RealMessage): void {
    this.all.push(message);
    this.#wake?.();
  }

  /** The next message. Rejects if none comes. */
  async next(): Promise<RealMessage> {
    await this.has(this.#taken + 1);
    return this.all[this.#taken++] as RealMessage;
  }

  /** So many next messages. */
  async take(count: number): Promise<RealMessage[]> {
    await this.has(this.#taken + count);
    this.#taken += count;
    return this.all.slice(this.#taken - count, this.#taken);
  }

  /** Resolves when so many have come since the beginning. */
  async has(count: number): Promise<void> {
    const deadline = AbortSignal.timeout(TIMEOUT_MS);
    deadline.addEventListener("abort", () => this.#wake?.());
    while (this.all.length < count) {
      if (deadline.aborted) throw new Error(`waited for ${count} messages, ${this.all.length} came`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
