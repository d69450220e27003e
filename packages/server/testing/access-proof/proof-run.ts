import type { Qos, Will } from "@weir/protocol";
import type { Publication, Request } from "./proof-client.ts";
import { ByteClient } from "./proof-client.ts";
import { type ProofUser, type Tried, type UserOptions, withoutShare } from "./proof-user.ts";
import { type ProofCounts, ProofJudge } from "./proof-judge.ts";
import { ProofWorld, TOPICS } from "./proof-world.ts";
import { matches, mayPublish, readQos } from "./rights.ts";

const FILTERS = ["#", "data/#", "data/+/1", "+/b/+", "data/a/#", "+/+", "data/c/2", "data/b"];
const WILLS = ["will/a", "will/b", "data/a/1"];
const ACCEPTED = 0;
const REFUSED = 0x87;
const BUSY = 0x88;
/** How often one looks for what has not come yet. */
const PATIENCE = 200;

const bytes = { library: "bytes", over: "tcp", isPersistent: true, receiveMaximum: 100 } as const;
const SERVICE: UserOptions = {
  ...bytes,
  name: "service",
  kind: "service",
  isPersistent: false,
  receiveMaximum: 1_000,
};
const USERS: readonly UserOptions[] = [
  SERVICE,
  { ...bytes, name: "slow", kind: "token", isPersistent: false, receiveMaximum: 2 },
  { ...bytes, name: "a", kind: "token", receiveMaximum: 3 },
  { ...bytes, name: "b", kind: "token", library: "mqttjs", over: "ws" },
  { ...bytes, name: "minted", kind: "minted", library: "mqttjs" },
  { ...bytes, name: "alice", kind: "jwt" },
  { ...bytes, name: "bob", kind: "jwt", library: "mqttjs", isPersistent: false },
  { ...bytes, name: "carol", kind: "jwt", over: "ws", isPersistent: false, receiveMaximum: 2 },
  { ...bytes, name: "shared", kind: "token", share: "g" },
];

/** Random steps of everybody, each delivery held against the model. Throws at the first that is outside, or missing. */
export class ProofRun {
  readonly #world: ProofWorld;
  /** Minutes at once are more than a disk that writes has. */
  readonly #mayTimePass: boolean;
  readonly #judge: ProofJudge;

  private constructor(world: ProofWorld, mayTimePass: boolean) {
    this.#mayTimePass = mayTimePass;
    this.#world = world;
    this.#judge = new ProofJudge(world, mayTimePass);
  }

  /** @param data a data directory of the embedded engine; in memory without */
  static async open(seed: number, data?: string): Promise<ProofRun> {
    const run = new ProofRun(await ProofWorld.open(seed, USERS, data), data === undefined);
    const { service } = run;
    await run.#come(service);
    await run.#subscribe(service, {
      filter: "#",
      qos: 2,
      noLocal: false,
      retainHandling: 2,
      identifier: undefined,
    });
    return run;
  }

  close(): Promise<void> {
    return this.#world.close();
  }

  get service(): ProofUser {
    return this.#world.users[0] as ProofUser;
  }

  get #others(): ProofUser[] {
    return this.#world.users.slice(1);
  }

  get counts(): ProofCounts {
    return this.#judge.counts;
  }

  /** What was done, for whoever looks for the reason. */
  get journal(): readonly string[] {
    return this.#judge.journal;
  }

  async rounds(count: number): Promise<void> {
    for (let round = 0; round < count; round++) await this.#round();
  }

  async #round(): Promise<void> {
    const { random } = this.#world;
    this.#judge.roundBegan = this.#world.moments.next();
    this.#judge.note("— round");
    for (const user of this.#others) await this.#move(user);
    await this.#rest();
    for (let phase = 1 + random.below(3); phase > 0; phase--) {
      for (const user of this.#others) if (random.chance(0.5)) this.#hold(user, true);
      await Promise.all([
        this.#changes(random.below(3)),
        this.#publications(4 + random.below(8)),
        this.#subscriptions(),
      ]);
      await this.#rest();
    }
    if (this.#mayTimePass && random.chance(0.15)) await this.#rotation();
    await this.#looksByRest();
    await this.#replay();
    for (const user of this.#world.users) this.#hold(user, false);
    await this.#untilQuiet();
    this.#judge.judgeWhatIsMissing();
  }

  #hold(user: ProofUser, isHolding: boolean): void {
    user.isHolding = isHolding;
    user.client?.hold(isHolding);
  }

  /** Everything begun is in force, and everything sent is judged. */
  async #rest(): Promise<void> {
    await this.#world.settle();
    await this.#drainAll();
    for (const user of this.#others) await this.#expectEnd(user);
  }

  /** Nothing comes any more; and if something has to, it has time to. */
  async #untilQuiet(): Promise<void> {
    for (let [quiet, looks] = [0, 0]; quiet < 2; looks++) {
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      const isMissing = looks < PATIENCE && this.#judge.missing() !== undefined;
      if (isMissing) await this.#world.idle();
      quiet = (await this.#drainAll()) > 0 || isMissing ? 0 : quiet + 1;
    }
  }

  async #drainAll(): Promise<number> {
    let count = 0;
    for (const user of this.#world.users) {
      const delivered = (await user.client?.drain()) ?? [];
      for (const one of delivered) this.#judge.judge(user, one);
      count += delivered.length;
    }
    return count;
  }

  // ---------------------------------------------------------------- comings and goings

  /** Before anything changes, so that what becomes of it is certain. */
  async #move(user: ProofUser): Promise<void> {
    const { random } = this.#world;
    const chance = random.next();
    if (!user.client && chance < 0.7) await this.#come(user);
    else if (user.client && chance < 0.15) await this.#leave(user);
    else if (user.client && chance < 0.3) await this.#renew(user);
  }

  async #come(user: ProofUser): Promise<void> {
    const world = this.#world;
    const { password, takeBack } = await world.nextCredential(user);
    if (user !== this.service && world.random.chance(0.3)) {
      const topic = world.pick(WILLS);
      const will = this.#judge.try(user, { topic, qos: 1, retain: false, isByRest: false });
      if (await this.#connect(user, password, will)) return;
      will.isAccepted = false;
    }
    if (!(await this.#connect(user, password, undefined))) takeBack();
  }

  /** Whether it was let in, as the model says. */
  async #connect(user: ProofUser, password: string, will: Tried | undefined): Promise<boolean> {
    const { code, client } = await this.#world.connect(user, password, will && willOf(will));
    if (code === BUSY) return false; // the keys of a provider that was put are being fetched
    const rights = user.rights.now;
    const isExpected = rights !== undefined && (!will || mayPublish(rights, will));
    this.#judge.note(
      `${user.name} comes${will ? ` with the will ${will.id} on ${will.topic}` : ""}: ${code}`,
    );
    if ((code === ACCEPTED) !== isExpected)
      this.#judge.fail(`CONNECT of ${user.name} was answered with ${code}, but the model says ${isExpected}`);
    if (code !== ACCEPTED) return false;
    user.came(client);
    user.will = will;
    if (will) this.#judge.publishing(will); // from now on it may be, at any time
    user.rights.settle(); // what was before it came with these is over
    return true;
  }

  async #leave(user: ProofUser): Promise<void> {
    const { will } = user;
    for (const one of (await user.client?.drain()) ?? []) this.#judge.judge(user, one);
    if (will) this.#judge.publishing(will);
    this.#judge.note(`${user.name} is cut off`);
    await user.client?.cut();
    user.left();
    user.will = undefined;
    await this.#world.broker.disconnected(user.name);
    if (!will) return;
    this.#judge.counts.wills += 1;
    will.to = this.#world.moments.next();
    this.#judge.published(will, user.allowedToPublish(will));
  }

  /** Another credential of the same identity, on the open connection. */
  async #renew(user: ProofUser): Promise<void> {
    if (user.options.kind !== "token" && user.options.kind !== "jwt") return;
    if (user.rights.now === undefined) return;
    this.#world.clock.advance(1_000);
    const { password: payload, takeBack } = await this.#world.nextCredential(user);
    const code = await user.client?.publish({ topic: "$client/auth", payload, qos: 1, retain: false });
    const isAccepted = user.rights.now !== undefined;
    this.#judge.note(`${user.name} renews: ${code}`);
    if ((code === ACCEPTED) !== isAccepted)
      this.#judge.fail(`the renewal of ${user.name} was answered with ${code}`);
    this.#judge.counts.renewals += 1;
    if (!isAccepted) takeBack();
  }

  /** Whoever has no principal any more is not connected any more, and its will is not published unless it expired. */
  async #expectEnd(user: ProofUser): Promise<void> {
    if (!user.client || user.rights.now !== undefined) return;
    for (let look = 0; look < 500 && !user.client.isClosed; look++) {
      await new Promise((resolve) => void setTimeout(resolve, 2));
      for (const one of await user.client.drain()) this.#judge.judge(user, one);
    }
    if (!user.client.isClosed) this.#judge.fail(`${user.name} is still connected`);
    this.#judge.note(`${user.name} was ended`);
    this.#willOfEnded(user);
    user.left();
  }

  /** After an expiry it is published with the rights of that moment, else never (semantics.md §1.10). */
  #willOfEnded(user: ProofUser): void {
    const { will } = user;
    user.will = undefined;
    if (!will || this.#world.hasExpired(user)) return;
    will.isAccepted = false;
    if (this.service.seen.has(will.id)) this.#judge.fail(`the will ${will.id} of ${user.name} was published`);
  }

  // ---------------------------------------------------------------- what is done at the same time

  async #changes(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const name = await this.#world.change();
      this.#judge.note(`changed: ${name}`);
      this.#changed(name);
    }
  }

  async #rotation(): Promise<void> {
    await this.#world.rotate();
    this.#judge.note("changed: rotation");
    this.#changed("rotation");
    await this.#rest();
  }

  #changed(name: string): void {
    this.#judge.counts.changes.set(name, (this.#judge.counts.changes.get(name) ?? 0) + 1);
  }

  async #publications(count: number): Promise<void> {
    const { random } = this.#world;
    const planned = Array.from({ length: count }, () => {
      const publisher = random.chance(0.6) ? this.service : this.#world.pick(this.#world.users);
      const topic = this.#world.pick(TOPICS);
      const responseTopic = random.chance(0.1) ? this.#world.pick(TOPICS) : undefined;
      const isByRest = ["token", "service"].includes(publisher.options.kind) && random.chance(0.2);
      const how = { topic, qos: random.below(3) as Qos, retain: random.chance(0.2), isByRest };
      return { tried: this.#judge.try(publisher, how), responseTopic };
    });
    for (const { tried, responseTopic } of planned) await this.#publish(tried, responseTopic);
  }

  async #publish(tried: Tried, responseTopic: string | undefined): Promise<void> {
    const { publisher, id: payload, topic, qos, retain, isByRest } = tried;
    const { client } = publisher;
    if (!client && !isByRest) {
      tried.isAccepted = false;
      return;
    }
    this.#judge.publishing(tried);
    const publication = { payload, topic, qos, retain, responseTopic };
    const verdict = isByRest
      ? await this.#publishByRest(publisher, publication)
      : await client?.publish(publication);
    tried.to = this.#world.moments.next();
    const expected = publisher.allowedToPublish({ ...tried, responseTopic });
    const told = verdict === undefined ? undefined : verdict === ACCEPTED || verdict === 0x10;
    this.#judge.note(
      `${publisher.name} publishes ${payload} on ${topic} at ${qos}${retain ? " retained" : ""}: ${verdict}`,
    );
    if (client?.isClosed && !isByRest) return; // it was ended meanwhile
    if (told !== undefined && expected !== undefined && told !== expected)
      this.#judge.fail(`${publisher.name} published on ${topic}: ${verdict}, but the model says ${expected}`);
    this.#judge.published(tried, told ?? expected);
  }

  async #publishByRest({ credential }: ProofUser, publication: Publication): Promise<number> {
    const { status, body } = await this.#world.broker.restAs(
      credential.key,
      "POST",
      "/messages",
      publication,
    );
    if (status === 200) return ACCEPTED;
    if (status === 401 || (status === 403 && body["code"] === "acl")) return REFUSED;
    return this.#judge.fail(`POST /messages: ${status} ${JSON.stringify(body)}`);
  }

  async #subscriptions(): Promise<void> {
    const { random } = this.#world;
    for (const user of this.#others) {
      if (!user.client || !random.chance(user.subscriptions.size === 0 ? 0.9 : 0.3)) continue;
      const filter = this.#world.pick(FILTERS);
      const request: Request = {
        filter: user.options.share === undefined ? filter : `$share/${user.options.share}/${filter}`,
        qos: random.below(3) as Qos,
        noLocal: user.options.share === undefined && random.chance(0.2),
        retainHandling: random.below(3) as 0 | 1 | 2,
        identifier: random.chance(0.5) ? 1 + random.below(9) : undefined,
      };
      if (random.chance(0.2)) await this.#unsubscribe(user, request.filter);
      else await this.#subscribe(user, request);
    }
  }

  async #subscribe(user: ProofUser, request: Request): Promise<void> {
    const timeline = user.subscriptionTo(request.filter);
    const from = this.#world.moments.next();
    timeline.begin(request);
    const code = await user.client?.subscribe(request);
    this.#judge.note(`${user.name} subscribes to ${request.filter} at ${request.qos}: ${code}`);
    if (code === undefined) return;
    const isSure = TOPICS.some(
      (topic) =>
        matches(withoutShare(request.filter), topic) &&
        user.always(from, this.#world.moments.next(), (rights) => readQos(rights, topic) >= 0),
    );
    if (isSure && code === REFUSED) this.#judge.fail(`${user.name} may not subscribe to ${request.filter}`);
    this.#world.moments.next();
    if (code >= 0x80) timeline.retract();
    else timeline.settle();
  }

  async #unsubscribe(user: ProofUser, filter: string): Promise<void> {
    const timeline = user.subscriptionTo(filter);
    timeline.begin(undefined);
    this.#judge.note(`${user.name} unsubscribes from ${filter}`);
    await user.client?.unsubscribe(filter);
    this.#world.moments.next();
    if (!user.client?.isClosed) timeline.settle();
  }

  // ---------------------------------------------------------------- REST, and replays

  async #looksByRest(): Promise<void> {
    for (const user of this.#others) {
      if (user.options.kind !== "token") continue;
      const from = this.#world.moments.next();
      const path = "/retained?filter=%23&limit=1000";
      const { status, body } = await this.#world.broker.restAs(user.credential.key, "GET", path);
      const to = this.#world.moments.next();
      if ((status === 200) !== (user.rights.now !== undefined))
        this.#judge.fail(`GET /retained as ${user.name}: ${status}`);
      if (status !== 200) continue;
      const topics = (body["items"] as readonly { topic: string }[]).map(({ topic }) => topic);
      for (const topic of topics)
        if (!user.ever(from, to, (rights) => readQos(rights, topic) >= 0))
          this.#judge.fail(`OUTSIDE: ${topic} by REST to ${user.name}`);
      for (const [topic, tried] of this.#judge.retained)
        if (tried && readQos(user.rights.now, topic) >= 0 && !topics.includes(topic))
          this.#judge.fail(`MISSING: ${topic} by REST to ${user.name}`);
    }
  }

  /** A client of its own asks for all that the history has: it gets what its user may replay as of now, and that whole. */
  async #replay(): Promise<void> {
    const user = this.#world.pick(
      this.#others.filter(({ options, rights }) => options.kind === "token" && rights.now),
    );
    if (!user) return;
    const { broker, moments } = this.#world;
    const options = { clientId: `${user.name}-replay`, password: user.credential.key, isPersistent: false };
    const { client } = await ByteClient.connect(
      broker,
      moments,
      { ...options, receiveMaximum: 1_000, will: undefined },
      "tcp",
    );
    const request = {
      filter: "data/#",
      qos: 1 as const,
      noLocal: false,
      retainHandling: 2 as const,
      identifier: undefined,
    };
    const code = await client.subscribe({ ...request, since: "-20h" });
    const got = new Set<string>();
    for (let [quiet, looks] = [0, 0]; quiet < 2; looks++) {
      const delivered = await client.drain();
      for (const { payload } of delivered) got.add(payload);
      const isMissing = looks < PATIENCE && this.#judge.notReplayed(user, got, code) !== undefined;
      if (isMissing || delivered.length > 0) await this.#world.idle();
      quiet = isMissing || delivered.length > 0 ? 0 : quiet + 1;
    }
    await client.cut();
    await broker.disconnected(options.clientId);
    if (code !== undefined) this.#judge.judgeReplay(user, got, code);
  }
}

function willOf({ id, topic, qos, retain }: Tried): Will {
  return { topic, qos, retain, payload: Buffer.from(id), properties: {} };
}
