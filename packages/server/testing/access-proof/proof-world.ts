import { type BrokerFixture, FakeClock, startBroker } from "@weir/testkit";
import { Random } from "../random.ts";
import { TestIssuer } from "../test-issuer.ts";
import { ByteClient, MqttJsClient, type ProofClient } from "./proof-client.ts";
import { type Credential, ProofUser, type UserOptions } from "./proof-user.ts";
import { type Action, type Entry, filled, type Rights } from "./rights.ts";
import { Moments } from "./timeline.ts";

const AREAS = ["a", "b", "c"];
export const TOPICS: readonly string[] = AREAS.flatMap((area) => [
  `data/${area}/1`,
  `data/${area}/2`,
  `data/${area}`,
]);
const RULED = [
  "#",
  "data/#",
  "data/#",
  "data/+/1",
  "+/b/+",
  "data/${claims.account}/#",
  "data/${claims.devices}/1",
  "data/${subject}/+",
  "data/a/#",
  "will/#",
  "data/b",
];
const POLICIES = ["p", "q", "r"];
const GROUPS = ["g", "h"];
const EVERYTHING: Entry = { actions: ["publish", "subscribe", "replay"], topic: "#" };
const TEMPLATE: readonly Entry[] = [EVERYTHING];
const LONG_S = 100_000_000;

/** A broker with its users, and what is known of their rights. */
export class ProofWorld {
  readonly moments: Moments = new Moments();
  readonly clock: FakeClock;
  readonly random: Random;
  readonly issuer: TestIssuer;
  readonly broker: BrokerFixture;
  readonly users: ProofUser[] = [];
  readonly policies: Map<string, readonly Entry[]> = new Map();
  readonly groups: Map<string, readonly string[]> = new Map();
  #isGoldRequired = false;
  #template: readonly Entry[] = TEMPLATE;
  #minter: { id: string; key: string } | undefined;
  #made = 0;

  private constructor(seed: number, issuer: TestIssuer, clock: FakeClock, broker: BrokerFixture) {
    this.random = new Random(seed);
    this.issuer = issuer;
    this.clock = clock;
    this.broker = broker;
  }

  /** @param data a data directory of the embedded engine; in memory without */
  static async open(seed: number, users: readonly UserOptions[], data?: string): Promise<ProofWorld> {
    const clock = new FakeClock({ soon: "immediate" });
    const issuer = await TestIssuer.open();
    issuer.nowS = () => Math.floor(clock.nowMs() / 1_000);
    const broker = await startBroker({ clock, anonymous: { allow: "nobody" }, ...(data && { data }) });
    const world = new ProofWorld(seed, issuer, clock, broker);
    await world.#make(users);
    return world;
  }

  async close(): Promise<void> {
    for (const user of this.users) await user.client?.cut();
    await this.broker.close();
    await this.issuer.close();
  }

  async #make(users: readonly UserOptions[]): Promise<void> {
    await this.broker.rest("PUT", "/histories/data", { filter: "data/#", maxAge: 100_000 });
    await this.#putProvider();
    for (const name of POLICIES) await this.putPolicy(name);
    for (const name of GROUPS) await this.putGroup(name);
    const mint = { acl: this.#template, subjects: ["*"] };
    this.#minter = (await this.broker.rest("POST", "/tokens", { ttl: LONG_S, mint })) as Credential;
    for (const options of users) {
      const user = new ProofUser(options, this.moments);
      this.users.push(user);
      if (options.kind !== "jwt")
        for (let i = 0; i < (options.kind === "token" ? 2 : 1); i++) await this.#makeToken(user);
    }
    this.#recompute();
    this.#settleRights();
  }

  // ---------------------------------------------------------------- what rights are

  rightsOf(user: ProofUser): Rights {
    const { kind } = user.options;
    if (kind === "jwt") return this.#rightsOfJwt(user);
    const { acl, policies, isEnabled } = user.credential;
    if (!isEnabled) return undefined;
    const values = { subject: user.name };
    const named = this.#entriesOf(policies);
    const own = filled(named === undefined ? [] : [...acl, ...named], values);
    return kind === "minted" ? [own, filled(this.#template, values)] : [own];
  }

  #rightsOfJwt(user: ProofUser): Rights {
    const { account, isGold, issuedAtS, signedWith } = user.jwt;
    const isAccepted =
      (isGold || !this.#isGoldRequired) &&
      issuedAtS >= user.revokedBeforeS &&
      (signedWith === "" || this.issuer.keys.some(({ kid }) => kid === signedWith));
    if (!isAccepted) return undefined;
    const names = this.#groupsOf(user).flatMap((name) => this.groups.get(name) ?? []);
    const entries = this.#entriesOf([...new Set(names)]) ?? [];
    const devices = ["a", "b"];
    return [filled(entries, { subject: user.name, "claims.account": account, "claims.devices": devices })];
  }

  /** Undefined where one is missing: then nothing is allowed. */
  #entriesOf(names: readonly string[]): readonly Entry[] | undefined {
    const found = names.map((name) => this.policies.get(name));
    return found.includes(undefined) ? undefined : (found as Entry[][]).flat();
  }

  #groupsOf({ jwt: { account } }: ProofUser): string[] {
    return GROUPS.filter((_, i) => account === "c" || (account === "a") === (i === 0));
  }

  #recompute(): void {
    for (const user of this.users) {
      const rights = this.rightsOf(user);
      if (JSON.stringify(rights) !== JSON.stringify(user.rights.now)) user.rights.begin(rights);
    }
  }

  #settleRights(): void {
    this.moments.next();
    for (const user of this.users) {
      user.rights.settle();
      user.isConnected.settle();
    }
  }

  // ---------------------------------------------------------------- chance

  pick<Item>(from: readonly Item[]): Item {
    return this.random.pick(from);
  }

  some<Item>(from: readonly Item[], probability = 0.5): Item[] {
    return from.filter(() => this.random.chance(probability));
  }

  /** Mostly with something wide, so that there is much to be lost. */
  entries(): Entry[] {
    const wide = this.random.chance(0.5) ? [EVERYTHING] : [];
    return [...wide, ...this.#narrow()];
  }

  #narrow(): Entry[] {
    return Array.from({ length: 1 + this.random.below(5) }, () => {
      const isDeny = this.random.chance(0.15);
      const actions: readonly Action[] = this.pick([
        ["publish", "subscribe", "replay"],
        ["publish", "subscribe"],
        ["subscribe"],
        ["subscribe", "replay"],
        ["publish"],
      ] as const);
      const topic = this.pick(RULED);
      if (isDeny) return { effect: "deny", actions, topic };
      const bounds = this.random.chance(0.3)
        ? { maxQos: this.random.below(3) as 0 | 1 | 2, retain: this.random.chance(0.5) }
        : {};
      return { actions, topic, ...bounds };
    });
  }

  // ---------------------------------------------------------------- changes, each known to the model before it begins

  async #change(method: string, path: string, body?: unknown): Promise<void> {
    this.#recompute();
    await this.broker.rest(method, path, body);
  }

  async putPolicy(name: string): Promise<void> {
    const entries = this.entries();
    this.policies.set(name, entries);
    await this.#change("PUT", `/policies/${name}`, { entries });
  }

  async putGroup(name: string): Promise<void> {
    const policies = this.some([...this.policies.keys()]);
    this.groups.set(name, policies);
    await this.#change("PUT", `/groups/${name}`, { provider: "ciam", value: name, policies });
  }

  async #putProvider(): Promise<void> {
    const requiredClaims = this.#isGoldRequired ? { tier: "gold" } : {};
    const provider = this.issuer.provider({ requiredClaims, realm: "r" });
    await this.#change("PUT", "/providers/ciam", provider);
  }

  async #makeToken(user: ProofUser): Promise<void> {
    const { name, kind } = user.options;
    const acl = kind === "service" ? [EVERYTHING] : this.#lastingEntries(kind === "minted");
    const body = { subject: name, acl, ttl: LONG_S };
    const made =
      kind === "minted"
        ? (await this.broker.restAs((this.#minter as Credential).key, "POST", "/tokens", body)).body
        : await this.broker.rest("POST", "/tokens", { ...body, scopes: ["messages"] });
    const { id, key } = made as { id: string; key: string };
    if (key === undefined) throw new Error(`no token for ${name}: ${JSON.stringify(made)}`);
    user.credentials.push({ id, key, acl, policies: [], isEnabled: true, isDeleted: false });
  }

  /** A template without placeholders of claims holds no entry that has one. */
  #lastingEntries(isMinted: boolean): Entry[] {
    return this.entries().filter(({ topic }) => !isMinted || !topic.includes("claims"));
  }

  /** One random change; resolves when REST has acknowledged it. */
  async change(): Promise<string> {
    const [name, run] = this.pick(Object.entries(this.#changes));
    await run();
    return name;
  }

  readonly #changes: Readonly<Record<string, () => Promise<void>>> = {
    policy: () => this.putPolicy(this.pick(POLICIES)),
    "policy again": () => this.putPolicy(this.pick(POLICIES)),
    "policy gone": async () => {
      const name = this.pick(POLICIES);
      if (!this.policies.delete(name)) return this.putPolicy(name);
      return this.#change("DELETE", `/policies/${name}`);
    },
    group: () => this.putGroup(this.pick(GROUPS)),
    "group gone": async () => {
      const name = this.pick(GROUPS);
      if (!this.groups.delete(name)) return this.putGroup(name);
      return this.#change("DELETE", `/groups/${name}`);
    },
    provider: async () => {
      this.#isGoldRequired = !this.#isGoldRequired;
      await this.#putProvider();
    },
    revocation: async () => {
      const user = this.#someUser("jwt") as ProofUser;
      this.clock.advance(1_000); // nothing was issued in this second
      user.revokedBeforeS = this.clock.nowMs() / 1_000;
      await this.#change("POST", "/revocations", { realm: "r", subject: user.name });
    },
    acl: () => this.#patchAcl(this.#someUser("token")),
    "acl again": () => this.#patchAcl(this.#someUser("token")),
    "acl of what was minted": () => this.#patchAcl(this.#someUser("minted")),
    enabled: async () => {
      const credential = this.#someUser("token")?.credential;
      if (!credential || this.#expired.includes(credential)) return;
      credential.isEnabled = !credential.isEnabled;
      await this.#change("PATCH", `/tokens/${credential.id}`, { enabled: credential.isEnabled });
    },
    deletion: async () => {
      const credential = this.#someUser("token")?.credential;
      if (!credential) return;
      credential.isEnabled = false;
      await this.#change("DELETE", `/tokens/${credential.id}`);
      credential.isDeleted = true;
    },
    expiry: async () => {
      const credential = this.#someUser("token")?.credential;
      if (!credential?.isEnabled) return;
      const expiresAt = new Date(this.clock.nowMs() + 500).toISOString();
      credential.isEnabled = false;
      await this.#change("PATCH", `/tokens/${credential.id}`, { expiresAt, enabled: true });
      this.#expired.push(credential);
    },
    template: async () => {
      this.#template = this.random.chance(0.3) ? TEMPLATE : this.entries();
      const mint = { acl: this.#template, subjects: ["*"] };
      await this.#change("PATCH", `/tokens/${(this.#minter as Credential).id}`, { mint });
    },
  };

  /** They will be given another end when their users come again. */
  readonly #expired: Credential[] = [];

  async #patchAcl(user: ProofUser | undefined): Promise<void> {
    if (!user) return;
    const { credential } = user;
    const isMinted = user.options.kind === "minted";
    if (isMinted) credential.acl = this.#lastingEntries(true);
    else {
      credential.acl = this.entries();
      credential.policies = this.some([...this.policies.keys()], 0.3);
    }
    const { acl, policies } = credential;
    await this.#change("PATCH", `/tokens/${credential.id}`, isMinted ? { acl } : { acl, policies });
  }

  /**
   * A new key signs, and the oldest leaves the JWKS: it is gone after two answers that agree, which takes minutes.
   */
  async rotate(): Promise<void> {
    const [old] = this.issuer.keys;
    await this.issuer.addKey("ES256");
    if (old) this.issuer.removeKey(old);
    this.#recompute();
    const left = (): number =>
      this.broker.log.filter((line) => line.includes("keys have left the JWKS")).length;
    const before = left();
    for (let look = 0; look < 200; look++) {
      this.clock.advance(look === 0 ? 300_000 : 1_100);
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      if (left() > before) return;
    }
    throw new Error("the key did not leave");
  }

  #someUser(kind: UserOptions["kind"]): ProofUser | undefined {
    const isOne = ({ options, credentials, current }: ProofUser): boolean =>
      options.kind === kind && credentials[current]?.isDeleted !== true;
    return this.pick(this.users.filter(isOne));
  }

  // ---------------------------------------------------------------- moments of rest

  /** Something takes a while. */
  async idle(): Promise<void> {
    await new Promise((resolve) => void setTimeout(resolve, 20));
  }

  /** All that was begun is in force. */
  async settle(): Promise<void> {
    this.clock.advance(1_000);
    for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate);
    this.#settleRights();
  }

  // ---------------------------------------------------------------- credentials and connections

  /** What the user comes with next, and how to take it back where it was refused: its session stays what it was. */
  async nextCredential(user: ProofUser): Promise<{ password: string; takeBack: () => void }> {
    const { current, jwt } = user;
    const password = await this.#nextPassword(user);
    const takeBack = (): void => {
      Object.assign(user, { current, jwt });
      this.#recompute();
    };
    return { password, takeBack };
  }

  async #nextPassword(user: ProofUser): Promise<string> {
    if (user.options.kind !== "jwt") {
      if (user.options.kind === "token") user.current = this.random.below(user.credentials.length);
      await this.#replaceDeleted(user);
      await this.#prolong(user.credential);
      this.#recompute();
      return user.credential.key;
    }
    const key = this.issuer.keys.at(-1);
    user.jwt = {
      account: this.pick(["a", "b", "c"]),
      isGold: this.random.chance(0.8),
      issuedAtS: this.issuer.nowS(),
      signedWith: key?.kid ?? "",
    };
    this.#recompute();
    const { account, isGold } = user.jwt;
    const groups = this.#groupsOf(user);
    const claims = { sub: user.name, account, groups, devices: ["a", "b"], tier: isGold ? "gold" : "tin" };
    const jti = `${++this.#made}`;
    return this.issuer.sign({ ...claims, jti, exp: this.issuer.nowS() + 80_000 }, key && { key });
  }

  async #replaceDeleted(user: ProofUser): Promise<void> {
    if (!user.credential.isDeleted) return;
    await this.#makeToken(user);
    user.credentials.splice(user.current, 1, user.credentials.pop() as Credential);
  }

  hasExpired({ options, credential }: ProofUser): boolean {
    return options.kind !== "jwt" && this.#expired.includes(credential);
  }

  async #prolong(credential: Credential): Promise<void> {
    const at = this.#expired.indexOf(credential);
    if (at < 0) return;
    this.#expired.splice(at, 1);
    credential.isEnabled = true;
    await this.broker.rest("PATCH", `/tokens/${credential.id}`, { expiresAt: null, ttl: LONG_S });
  }

  async connect(
    user: ProofUser,
    password: string,
    will: Parameters<typeof ByteClient.connect>[2]["will"],
  ): Promise<{ code: number; client: ProofClient }> {
    const { name: clientId, library, over, isPersistent, receiveMaximum } = user.options;
    const options = { clientId, password, isPersistent, receiveMaximum, will };
    const { broker, moments } = this;
    return library === "bytes"
      ? ByteClient.connect(broker, moments, options, over)
      : MqttJsClient.connect(broker, moments, options, over);
  }
}
