import { readFileSync } from "node:fs";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { encodePacket } from "@weir/protocol";
import type { BrokerKind, Credential, RunningBroker } from "../brokers/broker.ts";
import type { Contender, Measurement, Pace, Scenario } from "./scenario.ts";
import { benchCredentials, usualGrants } from "./users.ts";

const PAIRS = 500;
const VERSION = 4;
const TICKS_PER_S = 100;
const WARM_UP_MS = 1_000;

/** Each message through the log and a flush, instead of past it. mqttload has no persistent subscribers that are there. */
export const persistentPairs: Scenario = {
  id: "pairs-persistent",
  title: "500 pairs, QoS 1, window 1, persistent subscribers",
  label: "pairs with persistent subscribers, to others",
  unit: "deliveries/s",
  better: "more",
  target: { kind: "ratio", atLeast: 0.6 },
  baseline: "Weir without persistence",
  command:
    "500 pairs of plain sockets in Node, Clean Session 0 and 1, the next message after PUBACK and PUBLISH",
  contenders: (brokers) => brokers.filter(({ name }) => name === "Weir").flatMap(contendersOf),
};

function contendersOf(broker: BrokerKind): Contender[] {
  const grants = usualGrants(broker);
  return [
    { name: broker.name, broker, grants, measure: (running, pace) => measure(running, pace, true) },
    {
      name: `${broker.name} without persistence`,
      broker,
      grants,
      measure: (running, pace) => measure(running, pace, false),
    },
  ];
}

/** Clients and topics of a measurement are its own: what the one before has left waits for others. */
let run = 0;

async function measure(broker: RunningBroker, { secs }: Pace, isPersistent: boolean): Promise<Measurement> {
  const credentials = benchCredentials(broker);
  run += 1;
  const pairs = await Promise.all(
    Array.from({ length: PAIRS }, (_, index) =>
      Pair.open(broker.port, index, { credential: credentials[index % credentials.length], isPersistent }),
    ),
  );
  const delivered = (): number => pairs.reduce((sum, pair) => sum + pair.delivered, 0);
  for (const pair of pairs) pair.publish();
  await sleep(WARM_UP_MS);
  const [before, cpuBefore, startedAtMs] = [delivered(), cpuMicros(broker), performance.now()];
  await sleep(secs * 1_000);
  const count = delivered() - before;
  const value = (count * 1_000) / (performance.now() - startedAtMs);
  const serverMicros = (cpuMicros(broker) - cpuBefore) / count;
  for (const pair of pairs) pair.close();
  return { value, lost: 0, serverMicros };
}

/** A publisher and its subscriber; the next message goes out when the one before was acknowledged and has come. */
class Pair {
  delivered = 0;
  readonly #publisher: Socket;
  readonly #subscriber: Socket;
  readonly #message: Buffer;
  #awaited = 0;

  private constructor(publisher: Socket, subscriber: Socket, message: Buffer) {
    this.#publisher = publisher;
    this.#subscriber = subscriber;
    this.#message = message;
    publisher.on("data", () => this.#came()); // a PUBACK, which is one packet
    subscriber.on("data", (bytes: Buffer) => this.#received(bytes));
  }

  static async open(
    port: number,
    index: number,
    { credential, isPersistent }: { credential: Credential | undefined; isPersistent: boolean },
  ): Promise<Pair> {
    const topic = `bench/pair/${run}/${index}`;
    const [publisher, subscriber] = await Promise.all([
      connected(port, `pair-p-${run}-${index}`, credential, true),
      connected(port, `pair-s-${run}-${index}`, credential, !isPersistent),
    ]);
    const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = [{ topicFilter: topic, qos: 1, ...options }] as const;
    subscriber.write(encodePacket({ type: "subscribe", packetId: 1, subscriptions }, VERSION));
    await once(subscriber, "data");
    const plain = {
      type: "publish",
      payload: new Uint8Array(128),
      qos: 1,
      retain: false,
      dup: false,
    } as const;
    const message = Buffer.from(encodePacket({ ...plain, topic, packetId: 1 }, VERSION));
    return new Pair(publisher, subscriber, message);
  }

  publish(): void {
    this.#awaited = 2;
    this.#publisher.write(this.#message);
  }

  close(): void {
    for (const socket of [this.#publisher, this.#subscriber]) socket.destroy();
  }

  /** One message at a time: the packet id stands before the payload. */
  #received(bytes: Buffer): void {
    const at = bytes.length - 130;
    this.#subscriber.write(Buffer.of(0x40, 2, bytes[at]!, bytes[at + 1]!));
    this.delivered += 1;
    this.#came();
  }

  #came(): void {
    this.#awaited -= 1;
    if (this.#awaited === 0) this.publish();
  }
}

async function connected(
  port: number,
  clientId: string,
  credential: Credential | undefined,
  cleanStart: boolean,
): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  const { username, password } = credential ?? {};
  const packet = {
    type: "connect",
    protocolVersion: VERSION,
    clientId,
    cleanStart,
    keepAlive: 0,
    properties: {},
  } as const;
  socket.write(
    encodePacket(
      {
        ...packet,
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password: Buffer.from(password) }),
      },
      VERSION,
    ),
  );
  const [connack] = (await once(socket, "data")) as [Buffer];
  if (connack[3] !== 0) throw new Error(`CONNECT was refused with ${connack[3]}`);
  return socket;
}

function cpuMicros({ pid }: RunningBroker): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_S;
}
