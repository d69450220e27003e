// Random changes of tokens, policies, groups, the provider and revocations, between random publishes, subscriptions,
// wills and reconnects. A naive model says who may see what at that moment: not one message may be outside, and what
// a connected client is subscribed to and may see has to come.
import { type BrokerFixture, FakeClock, type MqttTestClient, startBroker } from "@weir/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TestIssuer } from "../../testing/test-issuer.ts";
import { Random } from "../../testing/random.ts";

interface Entry {
  readonly effect?: "allow" | "deny";
  readonly actions: readonly ("publish" | "subscribe")[];
  readonly topic: string;
}

interface Group {
  readonly policies: readonly string[];
}

const SEEDS = [1, 2, 3, 4, 5, 6];
const STEPS = 120;
const AREAS = ["a", "b", "c"];
const TOPICS = AREAS.flatMap((area) => ["1", "2"].map((leaf) => `data/${area}/${leaf}`));
const FILTERS = [
  "#",
  "data/#",
  "data/+/1",
  "+/b/+",
  "data/${claims.account}/#",
  "data/${subject}/+",
  ...TOPICS,
];
const POLICIES = ["p", "q"];
const GROUPS = ["g", "h"];
const FULL: Entry = { actions: ["publish", "subscribe"], topic: "#" };

let issuer: TestIssuer;
let broker: BrokerFixture;
let clock: FakeClock;
let random: Random;

beforeAll(async () => {
  issuer = await TestIssuer.open();
});
afterAll(() => issuer.close());

const pick = <T>(from: readonly T[]): T => random.pick(from);
const some = <T>(from: readonly T[]): T[] => from.filter(() => random.chance(0.5));

function randomEntries(): Entry[] {
  return Array.from({ length: 1 + random.below(3) }, () => ({
    ...(random.chance(0.25) && { effect: "deny" as const }),
    actions: random.chance(0.5) ? ["publish", "subscribe"] : [pick(["publish", "subscribe"] as const)],
    topic: pick(FILTERS),
  }));
}

/** What everybody's rights are made of, as the test has set it. */
class Model {
  readonly policies = new Map<string, readonly Entry[]>();
  readonly groups = new Map<string, Group>();
  isGoldRequired = false;

  entriesOf(names: readonly string[]): readonly Entry[] {
    const found = names.map((name) => this.policies.get(name));
    return found.includes(undefined) ? [] : (found as Entry[][]).flat();
  }
}

/** Somebody, with one client at most. */
abstract class User {
  readonly model: Model;
  readonly subject: string;
  client: MqttTestClient | undefined;
  subscriptions: string[] = [];
  will: string | undefined;

  constructor(model: Model, subject: string) {
    this.model = model;
    this.subject = subject;
  }

  abstract credential(): Promise<string>;
  abstract entries(): readonly Entry[];
  abstract readonly isAccepted: boolean;
  readonly account: string | undefined;

  may(action: "publish" | "subscribe", topic: string): boolean {
    const matching = this.entries().filter(
      (entry) => entry.actions.includes(action) && this.#covers(entry, topic),
    );
    return matching.length > 0 && matching.every(({ effect }) => effect !== "deny");
  }

  sees(topic: string): boolean {
    return this.may("subscribe", topic) && this.subscriptions.some((filter) => matches(filter, topic));
  }

  #covers({ effect, topic: template }: Entry, topic: string): boolean {
    const filled = template
      .replace("${subject}", this.subject)
      .replace("${claims.account}", this.account ?? (effect === "deny" ? "+" : "\0"));
    return matches(filled, topic);
  }
}

class JwtUser extends User {
  readonly groups: readonly string[];
  override readonly account: string;
  isGold = true;
  notBeforeS = 0;
  issuedAtS = 0;

  constructor(model: Model, subject: string, account: string) {
    super(model, subject);
    this.account = account;
    this.groups = GROUPS.filter((_, i) => (account === "a") === (i === 0) || account === "c");
  }

  async credential(): Promise<string> {
    this.issuedAtS = issuer.nowS();
    const { subject: sub, groups, account } = this;
    return issuer.sign({ sub, groups, account, tier: this.isGold ? "gold" : "tin", jti: `${random.next()}` });
  }

  get isAccepted(): boolean {
    return (this.isGold || !this.model.isGoldRequired) && this.issuedAtS >= this.notBeforeS;
  }

  entries(): readonly Entry[] {
    const groups = this.groups.map((name) => this.model.groups.get(name)).filter((one) => one !== undefined);
    return this.model.entriesOf([...new Set(groups.flatMap(({ policies }) => policies))]);
  }
}

class TokenUser extends User {
  id = "";
  key = "";
  acl: readonly Entry[] = [];
  policies: readonly string[] = [];
  isAccepted = true;

  credential(): Promise<string> {
    return Promise.resolve(this.key);
  }

  entries(): readonly Entry[] {
    const named = this.model.entriesOf(this.policies);
    return named.length === 0 && this.policies.length > 0 ? [] : [...this.acl, ...named];
  }
}

function matches(filter: string, topic: string): boolean {
  const [wanted, levels] = [filter.split("/"), topic.split("/")];
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (levels[i] === undefined || (level !== "+" && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

describe.each(SEEDS)("with seed %d", (seed) => {
  let model: Model;
  let users: (JwtUser | TokenUser)[];
  let service: MqttTestClient;
  let count: number;

  beforeEach(async () => {
    random = new Random(seed);
    count = 0;
    clock = new FakeClock({ soon: "immediate" });
    issuer.nowS = () => Math.floor(clock.nowMs() / 1_000);
    broker = await startBroker({ clock, anonymous: { allow: "nobody" } });
    model = new Model();
    await putProvider(false);
    for (const name of POLICIES) await putPolicy(name);
    for (const name of GROUPS) await putGroup(name);
    const tokens = [new TokenUser(model, "a"), new TokenUser(model, "b")];
    for (const user of tokens) await makeToken(user);
    users = [
      new JwtUser(model, "alice", "a"),
      new JwtUser(model, "bob", "b"),
      new JwtUser(model, "c", "c"),
      ...tokens,
    ];
    service = await broker.connect({ password: await broker.token({ acl: [FULL] }), clientId: "service" });
    await service.subscribe("will/#");
  });
  afterEach(() => broker.close());

  async function putProvider(isGoldRequired: boolean): Promise<void> {
    model.isGoldRequired = isGoldRequired;
    const requiredClaims = isGoldRequired ? { tier: "gold" } : {};
    await broker.rest("PUT", "/providers/ciam", issuer.provider({ requiredClaims, realm: "r" }));
  }

  async function putPolicy(name: string): Promise<void> {
    const entries = randomEntries();
    model.policies.set(name, entries);
    await broker.rest("PUT", `/policies/${name}`, { entries });
  }

  async function putGroup(name: string): Promise<void> {
    const policies = some([...model.policies.keys()]);
    model.groups.set(name, { policies });
    await broker.rest("PUT", `/groups/${name}`, { provider: "ciam", value: name, policies });
  }

  async function makeToken(user: TokenUser): Promise<void> {
    const body = { subject: user.subject, ttl: 1_000_000 };
    Object.assign(user, await broker.rest("POST", "/tokens", body), { acl: [], policies: [] });
  }

  const changes: readonly (() => Promise<unknown>)[] = [
    async () => putPolicy(pick(POLICIES)),
    async () => {
      const name = pick(POLICIES);
      if (!model.policies.delete(name)) return putPolicy(name);
      return broker.rest("DELETE", `/policies/${name}`);
    },
    async () => putGroup(pick(GROUPS)),
    async () => {
      const name = pick(GROUPS);
      if (!model.groups.delete(name)) return putGroup(name);
      return broker.rest("DELETE", `/groups/${name}`);
    },
    async () => putProvider(!model.isGoldRequired),
    async () => {
      const user = pick(users);
      if (!(user instanceof JwtUser)) return;
      await broker.rest("POST", "/revocations", { realm: "r", subject: user.subject });
      user.notBeforeS = clock.nowMs() / 1_000;
    },
    async () => {
      const user = pick(users);
      if (user instanceof JwtUser) {
        user.isGold = !user.isGold;
        await leave(user);
        return;
      }
      user.isAccepted = !user.isAccepted;
      await broker.rest("PATCH", `/tokens/${user.id}`, { enabled: user.isAccepted });
    },
    async () => {
      const user = pick(users);
      if (!(user instanceof TokenUser)) return;
      user.acl = randomEntries();
      user.policies = some([...model.policies.keys()]);
      const { acl, policies } = user;
      await broker.rest("PATCH", `/tokens/${user.id}`, { acl, policies });
    },
  ];

  /** With a cut, so that its will is due. */
  async function leave(user: User): Promise<void> {
    const { client, will } = user;
    if (!client) return;
    user.client = undefined;
    const isWillDue = will !== undefined && user.may("publish", will);
    await client.cut();
    await broker.disconnected(user.subject);
    const published = await drained(service);
    expect(published, `the will of ${user.subject}`).toEqual(isWillDue ? [will] : []);
  }

  async function come(user: User): Promise<void> {
    await leave(user);
    clock.advance(1_000);
    const password = await user.credential();
    const topic = `will/${pick(AREAS)}`;
    user.will = user.may("publish", topic) && random.chance(0.5) ? topic : undefined;
    const will = user.will && {
      topic,
      payload: Buffer.from(topic),
      qos: 0 as const,
      retain: false,
      properties: {},
    };
    const client = await broker.open({ password, clientId: user.subject, ...(will && { will }) });
    const { reasonCode } = await client.connect();
    expect(reasonCode === 0, `whether ${user.subject} is let in`).toBe(user.isAccepted);
    if (reasonCode !== 0) return;
    user.client = client;
    const asked = some(["#", "data/+/2", "data/b/#", ...TOPICS.slice(0, 2)]);
    const granted = asked.length > 0 ? (await client.subscribe(asked)).reasonCodes : [];
    user.subscriptions = asked.filter((_, i) => (granted[i] ?? 0x80) < 0x80);
  }

  /** A message on each topic: who is connected gets exactly what the model says. */
  async function publishAll(): Promise<void> {
    const number = ++count;
    for (const topic of TOPICS) await service.publish(topic, `${number}`, { qos: 1 });
    for (const user of users) {
      if (!user.client) continue;
      const expected = TOPICS.filter((topic) => user.sees(topic));
      const received = await drained(user.client);
      const wills = received.filter((topic) => topic.startsWith("will/"));
      expect(wills.filter((topic) => !user.sees(topic))).toEqual([]);
      const messages = new Set(received.filter((topic) => !topic.startsWith("will/")));
      expect([...messages].sort(), `message ${number} to ${user.subject}`).toEqual(expected);
    }
  }

  async function change(): Promise<void> {
    await pick(changes)();
    await settled();
    for (const user of users) {
      if (!user.client || user.isAccepted) continue;
      await user.client.closed; // and its will is not published: nothing else is drained below
      user.client = undefined;
    }
    expect(await drained(service)).toEqual([]);
  }

  it(
    "delivers what the model allows at that moment, and not one message outside",
    { timeout: 60_000 },
    async () => {
      for (let step = 0; step < STEPS; step++) {
        if (random.chance(0.35)) await come(pick(users));
        else await change();
        await publishAll();
      }
      expect(count).toBe(STEPS);
    },
  );
});

/** The topics of what has come until now. */
async function drained(client: MqttTestClient): Promise<string[]> {
  const topics: string[] = [];
  client.send({ type: "pingreq" });
  for (;;) {
    const packet = await client.receive();
    if (packet.type === "pingresp") return topics;
    if (packet.type === "publish") topics.push(packet.topic);
  }
}

/** Work that is cut into slices has its turns. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}
