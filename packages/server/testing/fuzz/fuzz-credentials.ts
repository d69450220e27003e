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

  static async make(broker: BrokerProcess): Promise<FuzzCredentials> {
    const make = async (subject: string, acl: readonly object[]): Promise<Token> => {
      const response = await broker.rest("POST", "/api/v1/tokens", { subject, acl, ttl: 86_400 });
      if (response.status !== 201)
        throw new Error(`POST /tokens: ${response.status} ${await response.text()}`);
      return (await response.json()) as Token;
    };
    const changing = await make("changing", WIDE);
    // Of one identity there are two, so that the one can be renewed by the other
    return new FuzzCredentials(broker, changing, [
      await make("wide", WIDE),
      await make("wide", NARROW),
      await make("narrow", NARROW),
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

  /** What operators do meanwhile: rights change, sessions are ended. */
  async meddle(random: Random): Promise<void> {
    if (random.chance(0.5)) {
      await this.#broker.rest("PATCH", `/api/v1/tokens/${this.#changing.id}`, { acl: random.pick(acls) });
    } else {
      await this.#broker.rest("DELETE", `/api/v1/sessions?clientId=${clientIdOf(random)}`);
    }
  }
}
