import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Config, StartedBroker } from "@weir/server";
import { connectedClient } from "@weir/testkit";
import type { ClientOptions, MqttTestClient } from "@weir/testkit";

export interface BrokerProcessOptions {
  /** In memory by default; `embedded` needs `data`. */
  readonly engine?: "memory" | "embedded";
  /** The data directory. */
  readonly data?: string;
  readonly mqtt?: Partial<Config["mqtt"]>;
  readonly http?: Partial<Config["http"]>;
  readonly limits?: Partial<Config["limits"]>;
  /** Everybody on this machine may do everything by default. */
  readonly anonymous?: Config["anonymous"];
  readonly logLevel?: Config["log"]["level"];
}

export interface BrokerMeasure {
  /** After a garbage collection: what the broker holds. */
  readonly liveMegabytes: number;
  readonly residentMegabytes: number;
  readonly openFiles: number;
  /** Lines of level error since the last measure. */
  readonly errors: readonly string[];
}

export type BrokerOrder = "measure" | "log";

type BrokerAnswer =
  | { readonly kind: "started"; readonly addresses: StartedBroker["addresses"] }
  | { readonly kind: "measure"; readonly measure: BrokerMeasure }
  | { readonly kind: "log"; readonly log: readonly string[] };

export const ADMIN_TOKEN = "the-admin-token-of-an-attacked-broker-0123456789";

const main = fileURLToPath(new URL("broker-main.ts", import.meta.url));

/**
 * A broker in a process of its own, in memory and on free ports of the loopback address: attackers do not share its
 * event loop, and what it holds is its own.
 */
export async function startBrokerProcess(options: BrokerProcessOptions = {}): Promise<BrokerProcess> {
  const execArgv = ["--conditions=@weir/source", "--expose-gc", "--disable-warning=ExperimentalWarning"];
  const child = fork(main, [JSON.stringify(options)], {
    execArgv,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = once(child, "exit").then(() => undefined);
  const answered = once(child, "message").then(([answer]) => answer as BrokerAnswer);
  const answer = await Promise.race([answered, ended]);
  if (answer?.kind !== "started") throw new Error("the broker has not started");
  return new BrokerProcess(child, answer.addresses);
}

export class BrokerProcess {
  readonly addresses: StartedBroker["addresses"];
  readonly #child: ChildProcess;
  readonly #clients: MqttTestClient[] = [];

  constructor(child: ChildProcess, addresses: StartedBroker["addresses"]) {
    this.#child = child;
    this.addresses = addresses;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** A client whose CONNECT was accepted; over TCP unless it says otherwise. */
  async connect(options: ClientOptions = {}): Promise<MqttTestClient> {
    const { mqtt, mqttTls, http } = this.addresses;
    const isHttp = options.over === "ws" || options.over === "wss";
    const port = isHttp ? http.port : options.over === "tls" ? (mqttTls?.port ?? 0) : mqtt.port;
    const client = await connectedClient(port, options);
    this.#clients.push(client);
    return client;
  }

  async measure(): Promise<BrokerMeasure> {
    const answer = await this.#ask("measure");
    if (answer.kind !== "measure") throw new Error(`asked for a measure, got ${answer.kind}`);
    return answer.measure;
  }

  /** What it has logged last. */
  async log(): Promise<readonly string[]> {
    const answer = await this.#ask("log");
    return answer.kind === "log" ? answer.log : [];
  }

  /** A call of REST with the admin's rights; `path` is below the root. */
  async rest(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.addresses.http.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  /** A metric's value, with its labels as they stand: `weir_limit_reached_total{limit="limits.maxConnections"}`. */
  async metric(name: string): Promise<number> {
    const text = await (await this.rest("GET", "/metrics")).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return line === undefined ? Number.NaN : Number(line.slice(name.length + 1));
  }

  /** At once: nobody waits for an attacked broker's clients. */
  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.cut()));
    if (this.hasEnded) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  async #ask(order: BrokerOrder): Promise<BrokerAnswer> {
    if (this.hasEnded) throw new Error("the broker has ended");
    const answered = new AbortController();
    const { signal } = answered;
    const ended = once(this.#child, "exit", { signal }).then(() => {
      throw new Error("the broker has ended");
    });
    const message = once(this.#child, "message", { signal }) as Promise<[BrokerAnswer]>;
    this.#child.send(order);
    try {
      const [answer] = await Promise.race([message, ended]);
      return answer;
    } finally {
      // The one that lost
      void Promise.allSettled([message, ended]);
      answered.abort();
    }
  }
}
