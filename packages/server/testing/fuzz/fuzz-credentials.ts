import type { BrokerProcess } from "../hostile/broker-process.ts";
import { clientIdOf } from "./corpus.ts";
import type { Random } from "./random.ts";

interface Token {
  readonly id: string;
  readonly key: string;
}

const everything = ["publish", "subscribe", "replay"] as const;
const WIDE = [{ actions: everything, topic: "#" }];
const NARROW = [
  { actions: everything, topic: "a/+", maxQos: 1 },
  { actions: ["subscribe"], topic: "#", share: ["g"] },
  { effect: "deny", actions: everything, topic: "a/c" },
];
const NOTHING = [{ effect: "deny", actions: everything, topic: "#" }];
const acls = [WIDE, NARROW, NOTHING];

const TENANT = "fuzz";
const tenants = [
  { verifiedPublisher: true },
  { wildcards: "refuse", refusedPublish: "disconnect" },
  { limits: { connections: 3, publishRate: 20, publishBytesRate: 2_000, retainedMessages: 2, sessions: 5 } },
  { protocols: { websocket: false } },
];

/** The keys with which attackers come, and whose rights change while they are at it. */
export class FuzzCredentials {
  readonly #broker: BrokerProcess;
  readonly #changing: Token;
  readonly #keys: readonly string[];

  private constructor(broker: BrokerProcess, changing: Token, others: readonly Token[]) {
    this.#broker = broker;
    this.#changing = changing;
    this.#keys = [changing, ...others].map(({ key }) => key);
  }

  /** Some are of the default tenant, and some of one that bounds and refuses more. */
  static async make(broker: BrokerProcess): Promise<FuzzCredentials> {
    await succeed(broker, "PUT", `/tenants/${TENANT}`, tenants[0]);
    const make = async (subject: string, acl: readonly object[], tenant = "default"): Promise<Token> =>
      (await succeed(broker, "POST", `/tokens?tenant=${tenant}`, { subject, acl, ttl: 86_400 })) as Token;
    const changing = await make("changing", WIDE);
    // Of one identity there are two, so that the one can be renewed by the other
    return new FuzzCredentials(broker, changing, [
      await make("wide", WIDE),
      await make("wide", NARROW),
      await make("narrow", NARROW),
      await make("wide", WIDE, TENANT),
      await make("narrow", NARROW, TENANT),
    ]);
  }

  /** Mostly one that is let in. */
  key(random: Random): string {
    const key = random.pick(this.#keys);
    return random.chance(0.9) ? key : random.pick(["", "weir_x_y", key.slice(0, -1), "e30.e30.", `${key}x`]);
  }

  /** For the address of a WebSocket; now and then none. */
  async ticket(random: Random): Promise<string> {
    if (random.chance(0.2)) return random.pick(["", "none", "%00", "x".repeat(5_000)]);
    const { port } = this.#broker.addresses.http;
    const headers = { authorization: `Bearer ${random.pick(this.#keys)}` };
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/tickets`, { method: "POST", headers });
    return ((await response.json()) as { readonly ticket: string }).ticket;
  }

  /** What operators do meanwhile: rights and tenants change, sessions are ended. */
  async meddle(random: Random): Promise<void> {
    const acl = random.pick(acls);
    const [method, path, body] = random.pick([
      ["PATCH", `/tokens/${this.#changing.id}`, { acl }],
      ["PUT", `/tenants/${TENANT}`, random.pick(tenants)],
      ["DELETE", `/sessions?clientId=${clientIdOf(random)}`],
    ] as const);
    await succeed(this.#broker, method, path, body);
  }
}

async function succeed(
  broker: BrokerProcess,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const response = await broker.rest(method, `/api/v1${path}`, body);
  const text = await response.text();
  const isOvertaken = response.status === 409; // by another who meddles
  if (!response.ok && !isOvertaken) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
