import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Qos } from "@weir/protocol";
import {
  type Address,
  type Grant,
  Inbox,
  type RealClient,
  type RealClientLibrary,
  type RealClientOptions,
  type RealMessageProperties,
  type RealPublishOptions,
  type RealSubscribeOptions,
} from "./real-client.ts";

const DRIVER = fileURLToPath(new URL("paho_driver.py", import.meta.url));
const SESSION_EXPIRY_S = 3_600;

/** As paho names them; bytes in base64. */
interface PahoProperties {
  readonly UserProperty?: readonly (readonly [string, string])[];
  readonly ResponseTopic?: string;
  readonly CorrelationData?: string;
  readonly ContentType?: string;
  readonly MessageExpiryInterval?: number;
  readonly SubscriptionIdentifier?: readonly number[];
}

type DriverLine =
  | { readonly id: number; readonly result?: unknown; readonly error?: string }
  | {
      readonly client: string;
      readonly message: {
        readonly topic: string;
        readonly payload: string;
        readonly qos: Qos;
        readonly retain: boolean;
        readonly properties: PahoProperties;
      };
    };

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Python's paho, in one process for all its clients. */
export class PahoLibrary implements RealClientLibrary {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #inboxes = new Map<string, Inbox>();
  #lastId = 0;
  #stderr = "";

  /** @param python of Debian, which has Debian's modules */
  constructor(python: string) {
    this.#child = spawn(python, [DRIVER], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr?.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#child.once("close", () => this.#fail());
    if (this.#child.stdout)
      createInterface(this.#child.stdout).on("line", (line) => this.#onLine(JSON.parse(line) as DriverLine));
  }

  async connect(address: Address, options: RealClientOptions): Promise<RealClient> {
    const name = `${options.clientId}#${this.#lastId}`;
    const inbox = new Inbox();
    this.#inboxes.set(name, inbox);
    const { over, port, caFile } = address;
    const { will, cleanStart = true } = options;
    const connack = (await this.command(name, "connect", {
      ...options,
      cleanStart,
      sessionExpiryS: cleanStart ? 0 : SESSION_EXPIRY_S,
      host: "127.0.0.1",
      over,
      port,
      caFile,
      ...(will && { will: { ...will, payload: base64Of(will.payload) } }),
    })) as Pick<RealClient, "reasonCode" | "sessionPresent">;
    return new PahoClient(this, name, inbox, connack);
  }

  /** Has the driver do something with a client. */
  command(client: string, what: string, details: object = {}): Promise<unknown> {
    const id = ++this.#lastId;
    this.#child.stdin?.write(`${JSON.stringify({ ...details, id, client, do: what })}\n`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async close(): Promise<void> {
    const ended = once(this.#child, "close");
    this.#child.kill();
    await ended;
  }

  #onLine(line: DriverLine): void {
    if ("message" in line) {
      const { topic, payload, qos, retain, properties } = line.message;
      const message = { topic, payload: Buffer.from(payload, "base64"), qos, retain };
      this.#inboxes.get(line.client)?.put({ ...message, properties: fromPaho(properties) });
      return;
    }
    const waiting = this.#waiting.get(line.id);
    this.#waiting.delete(line.id);
    if (line.error === undefined) waiting?.resolve(line.result);
    else waiting?.reject(new Error(`paho: ${line.error}\n${this.#stderr}`));
  }

  #fail(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`paho has ended\n${this.#stderr}`));
    this.#waiting.clear();
  }
}

class PahoClient implements RealClient {
  readonly inbox: Inbox;
  readonly reasonCode: number;
  readonly sessionPresent: boolean;
  readonly #library: PahoLibrary;
  readonly #name: string;

  constructor(
    library: PahoLibrary,
    name: string,
    inbox: Inbox,
    connack: Pick<RealClient, "reasonCode" | "sessionPresent">,
  ) {
    this.#library = library;
    this.#name = name;
    this.inbox = inbox;
    this.reasonCode = connack.reasonCode;
    this.sessionPresent = connack.sessionPresent;
  }

  async subscribe(filter: string, options: RealSubscribeOptions = {}): Promise<Grant> {
    const details = { filter, qos: 0, noLocal: false, ...options };
    const suback = (await this.#library.command(this.#name, "subscribe", details)) as {
      codes: readonly number[];
      properties: PahoProperties;
    };
    return { code: suback.codes[0] ?? -1, userProperties: suback.properties.UserProperty ?? [] };
  }

  async publish(topic: string, payload: string | Buffer, options: RealPublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false, properties = {} } = options;
    const details = { topic, payload: base64Of(payload), qos, retain, properties: toPaho(properties) };
    await this.#library.command(this.#name, "publish", details);
  }

  async drop(): Promise<void> {
    await this.#library.command(this.#name, "drop");
  }

  async cut(): Promise<void> {
    await this.#library.command(this.#name, "cut");
  }

  async disconnect(): Promise<void> {
    await this.#library.command(this.#name, "disconnect");
  }
}

function toPaho(properties: RealMessageProperties): PahoProperties {
  const { userProperties, responseTopic, correlationData, contentType, messageExpiryInterval } = properties;
  return {
    ...(userProperties && { UserProperty: userProperties }),
    ...(responseTopic !== undefined && { ResponseTopic: responseTopic }),
    ...(correlationData && { CorrelationData: base64Of(correlationData) }),
    ...(contentType !== undefined && { ContentType: contentType }),
    ...(messageExpiryInterval !== undefined && { MessageExpiryInterval: messageExpiryInterval }),
  };
}

function fromPaho(properties: PahoProperties): RealMessageProperties {
  const { UserProperty, ResponseTopic, CorrelationData, ContentType, MessageExpiryInterval } = properties;
  const identifiers = properties.SubscriptionIdentifier;
  return {
    ...(UserProperty && { userProperties: UserProperty }),
    ...(ResponseTopic !== undefined && { responseTopic: ResponseTopic }),
    ...(CorrelationData !== undefined && { correlationData: Buffer.from(CorrelationData, "base64") }),
    ...(ContentType !== undefined && { contentType: ContentType }),
    ...(MessageExpiryInterval !== undefined && { messageExpiryInterval: MessageExpiryInterval }),
    ...(identifiers && { subscriptionIdentifiers: identifiers }),
  };
}

function base64Of(bytes: string | Buffer): string {
  return Buffer.from(bytes).toString("base64");
}
