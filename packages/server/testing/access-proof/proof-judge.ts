import type { Delivered, Request } from "./proof-client.ts";
import type { ProofUser, Tried } from "./proof-user.ts";
import type { ProofWorld } from "./proof-world.ts";
import { matches, mayReplay, readQos, type Rights } from "./rights.ts";
import type { Timeline } from "./timeline.ts";

/** What a run has done, so that one can see that it did something. */
export interface ProofCounts {
  published: number;
  refused: number;
  delivered: number;
  retained: number;
  replayed: number;
  wills: number;
  renewals: number;
  readonly changes: Map<string, number>;
}

/** Knows all that was published, and says of every delivery whether it may be, and what has to come. */
export class ProofJudge {
  readonly counts: ProofCounts = {
    published: 0,
    refused: 0,
    delivered: 0,
    retained: 0,
    replayed: 0,
    wills: 0,
    renewals: 0,
    changes: new Map(),
  };
  /** The last retained message of a topic; undefined: it cannot be said which. */
  readonly retained: Map<string, Tried | undefined> = new Map();
  /** What was done, for whoever looks for the reason. */
  readonly journal: string[] = [];
  roundBegan = 0;
  readonly #world: ProofWorld;
  /** Minutes at once are more than a disk that writes has. */
  readonly #mayTimePass: boolean;
  readonly #tried = new Map<string, Tried>();
  #count = 0;

  constructor(world: ProofWorld, mayTimePass: boolean) {
    this.#world = world;
    this.#mayTimePass = mayTimePass;
  }

  // ---------------------------------------------------------------- what was published

  try(publisher: ProofUser, how: Pick<Tried, "topic" | "qos" | "retain" | "isByRest">): Tried {
    const tried = {
      ...how,
      id: `m${++this.#count}`,
      publisher,
      from: Infinity,
      to: Infinity,
      isAccepted: undefined,
    };
    this.#tried.set(tried.id, tried);
    return tried;
  }

  publishing(tried: Tried): void {
    tried.from = this.#world.moments.next();
  }

  published(tried: Tried, isAccepted: boolean | undefined): void {
    tried.isAccepted = isAccepted;
    if (isAccepted === false) {
      this.counts.refused += 1;
      return;
    }
    this.counts.published += 1;
    if (tried.retain) this.retained.set(tried.topic, isAccepted ? tried : undefined);
    if (isAccepted) for (const user of this.#world.users) if (!user.live.has(tried.id)) user.owed.add(tried);
  }

  // ---------------------------------------------------------------- judgement

  judge(user: ProofUser, one: Delivered): void {
    const { payload, topic, qos, retain, from, to } = one;
    this.counts.delivered += 1;
    const tried = this.#tried.get(payload);
    const what = `${payload} on ${topic} at ${qos}${retain ? " retained" : ""}${one.dup ? " again" : ""} to ${user.name}`;
    this.note(`delivered: ${what}`);
    if (!tried || tried.topic !== topic) return this.fail(`nobody published ${what}`);
    if (tried.from === Infinity || tried.isAccepted === false) this.fail(`was refused: ${what}`);
    if (!user.ever(from, to, (rights) => readQos(rights, topic) >= (one.dup ? 0 : qos)))
      this.fail(`OUTSIDE: ${what}`);
    if (qos > tried.qos) this.fail(`more than its QoS: ${what}`);
    const matching = user.everMatching(topic);
    if (matching.length === 0) this.fail(`never asked for: ${what}`);
    if (user.hasMade(tried) && matching.every(({ noLocal }) => noLocal)) this.fail(`its own: ${what}`);
    const known = new Set(matching.map(({ identifier }) => identifier));
    if (one.identifiers.some((identifier) => !known.has(identifier))) this.fail(`identifiers: ${what}`);
    user.seen.add(payload);
    user.owed.delete(tried);
    if (retain) this.counts.retained += 1;
    else this.#judgeCopies(user, one, what);
  }

  /** What a share group gave and was not acknowledged may come again, and groups overlap. */
  #judgeCopies(user: ProofUser, { payload, dup }: Delivered, what: string): void {
    const copies = (user.live.get(payload) ?? 0) + (dup ? 0 : 1);
    user.live.set(payload, copies);
    if (copies > 1 && user.options.share === undefined) this.fail(`a second copy: ${what}`);
  }

  /** All that was published is where it had to come to. */
  judgeWhatIsMissing(): void {
    const missing = this.missing();
    if (missing !== undefined) this.fail(`MISSING: ${missing}`);
    for (const user of this.#world.users) if (user.client) user.owed.clear();
  }

  missing(): string | undefined {
    for (const user of this.#world.users) {
      const tried = user.client && [...user.owed].find((one) => user.mustHave(one, this.roundBegan));
      if (tried)
        return `${tried.id} on ${tried.topic} at ${tried.qos} by ${tried.publisher.name} to ${user.name}`;
      const retained = user.client && this.#missingRetained(user);
      if (retained) return `${retained.id}, retained on ${retained.topic}, to ${user.name}`;
    }
    return undefined;
  }

  /** Who subscribed in this round, or may read more since, has the retained messages. */
  #missingRetained(user: ProofUser): Tried | undefined {
    const { now } = this.#world.moments;
    const began = this.roundBegan;
    if (user.options.share !== undefined || !user.isConnected.during(began, now).every(Boolean))
      return undefined;
    return [...this.retained.values()].find((tried) => {
      if (!tried || tried.to > began || user.seen.has(tried.id)) return false;
      const mayRead = (rights: Rights): boolean => readQos(rights, tried.topic) >= 0;
      const hasBecome = user.rights.since > began && !user.always(began, began, mayRead);
      const isOwed = (timeline: Timeline<Request | undefined>): boolean =>
        isForRetained(timeline.now, tried) &&
        (hasBecome || timeline.since > began) &&
        !(timeline.now?.noLocal === true && user.hasMade(tried));
      const isReadable = user.always(user.rights.since, now, mayRead);
      return isReadable && [...user.subscriptions.values()].some(isOwed);
    });
  }

  judgeReplay(user: ProofUser, got: ReadonlySet<string>, code: number): void {
    this.note(`${user.name} replays ${got.size}: ${code}`);
    this.counts.replayed += got.size;
    const rights = user.rights.now;
    for (const id of got) {
      const tried = this.#tried.get(id);
      if (!tried || tried.isAccepted === false) this.fail(`replayed, but refused: ${id}`);
      else if (!mayReplay(rights, tried.topic) && !this.#isOnItsWay(tried, rights))
        this.fail(`OUTSIDE: ${id} on ${tried.topic} replayed to ${user.name}`);
    }
    const missing = this.notReplayed(user, got, code);
    if (missing) this.fail(`MISSING: ${missing.id} on ${missing.topic} replayed to ${user.name}`);
  }

  /** What the disk had not yet when the replay began counts as live. */
  #isOnItsWay({ to, topic }: Tried, rights: Rights): boolean {
    return !this.#mayTimePass && to > this.roundBegan && readQos(rights, topic) >= 0;
  }

  notReplayed(user: ProofUser, got: ReadonlySet<string>, code: number | undefined): Tried | undefined {
    if (code === undefined || code >= 0x80) return undefined;
    const rights = user.rights.now;
    return [...this.#tried.values()].find(
      ({ id, topic, isAccepted }) =>
        isAccepted && !got.has(id) && matches("data/#", topic) && mayReplay(rights, topic),
    );
  }

  note(line: string): void {
    this.journal.push(line);
  }

  fail(what: string): never {
    throw new Error(what);
  }
}

function isForRetained(request: Request | undefined, { topic }: Tried): boolean {
  return request?.retainHandling === 0 && matches(request.filter, topic);
}
