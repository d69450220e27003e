import type { Qos } from "@weir/protocol";
import type { ProofClient, Request } from "./proof-client.ts";
import { type Entry, matches, mayPublish, readQos, type Rights } from "./rights.ts";
import { type Moments, Timeline } from "./timeline.ts";

/** A message that somebody has tried to publish, under a payload that nobody else uses. */
export interface Tried {
  readonly id: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly publisher: ProofUser;
  /** By REST a publisher has no session: what it publishes is not its own session's. */
  readonly isByRest: boolean;
  /** Between these it was published, if it was. */
  from: number;
  to: number;
  /** Undefined: only the broker knows. */
  isAccepted: boolean | undefined;
}

export interface UserOptions {
  readonly name: string;
  readonly kind: "service" | "token" | "minted" | "jwt";
  readonly library: "bytes" | "mqttjs";
  readonly over: "tcp" | "ws";
  readonly isPersistent: boolean;
  readonly receiveMaximum: number;
  /** The share group that all its subscriptions are in. */
  readonly share?: string;
}

/** One credential of a user. */
export interface Credential {
  readonly id: string;
  readonly key: string;
  acl: readonly Entry[];
  policies: readonly string[];
  isEnabled: boolean;
  isDeleted: boolean;
}

/** What the JWT of a user says. */
export interface Jwt {
  readonly account: string;
  readonly isGold: boolean;
  readonly issuedAtS: number;
  readonly signedWith: string;
}

/** Somebody with one client id, and what the model knows of them. */
export class ProofUser {
  readonly name: string;
  readonly options: UserOptions;
  readonly rights: Timeline<Rights>;
  readonly isConnected: Timeline<boolean>;
  client: ProofClient | undefined;
  /** Of the session, by requested filter. */
  subscriptions: Map<string, Timeline<Request | undefined>> = new Map();
  sessionSince = 0;
  /** Live copies in this session, by the id of the message. */
  readonly live: Map<string, number> = new Map();
  readonly seen: Set<string> = new Set();
  /** What may still have to come. */
  owed: Set<Tried> = new Set();
  will: Tried | undefined;
  isHolding = false;

  // What its rights are made of
  readonly credentials: Credential[] = [];
  current = 0;
  jwt: Jwt = { account: "a", isGold: true, issuedAtS: 0, signedWith: "" };
  revokedBeforeS = 0;
  readonly #moments: Moments;
  readonly #comings: number[] = [0];

  constructor(options: UserOptions, moments: Moments) {
    this.name = options.name;
    this.options = options;
    this.#moments = moments;
    this.rights = new Timeline<Rights>(moments, undefined);
    this.isConnected = new Timeline(moments, false);
  }

  get credential(): Credential {
    return this.credentials[this.current] as Credential;
  }

  came(client: ProofClient): void {
    if (!this.options.isPersistent || this.sessionSince === 0) this.#newSession();
    this.client = client;
    this.isConnected.begin(true);
    this.#comings.push(this.#moments.next());
  }

  left(): void {
    this.client = undefined;
    this.isHolding = false;
    this.isConnected.begin(false);
    if (!this.options.isPersistent) this.#newSession();
  }

  #newSession(): void {
    this.sessionSince = this.#moments.next();
    this.subscriptions = new Map();
    this.live.clear();
    this.seen.clear();
    this.owed = new Set();
  }

  subscriptionTo(filter: string): Timeline<Request | undefined> {
    let found = this.subscriptions.get(filter);
    if (!found)
      this.subscriptions.set(filter, (found = new Timeline<Request | undefined>(this.#moments, undefined)));
    return found;
  }

  /** Whether each, or at least one, of the rights of that span allows something. */
  always(from: number, to: number, isAllowed: (rights: Rights) => boolean): boolean {
    return this.rights.during(from, to).every(isAllowed);
  }

  ever(from: number, to: number, isAllowed: (rights: Rights) => boolean): boolean {
    return this.rights.during(from, to).some(isAllowed);
  }

  /** True or false where it can be said, else undefined. */
  allowedToPublish(
    tried: Omit<Tried, "isAccepted" | "id" | "publisher" | "isByRest"> & {
      responseTopic?: string | undefined;
    },
  ): boolean | undefined {
    const verdicts = this.rights.during(tried.from, tried.to).map((rights) => mayPublish(rights, tried));
    if (verdicts.every(Boolean)) return true;
    return verdicts.some(Boolean) ? undefined : false;
  }

  /** Subscriptions of this session that may ever have matched. */
  everMatching(topic: string): Request[] {
    return [...this.subscriptions.values()]
      .flatMap((timeline) => timeline.during(0, Infinity))
      .filter((request) => request !== undefined)
      .filter(({ filter }) => matches(withoutShare(filter), topic));
  }

  hasMade({ publisher, isByRest }: Tried): boolean {
    return publisher === this && !isByRest;
  }

  /** Whoever was ended collects nothing before it comes again (semantics.md §1.9). */
  #collects(at: number): boolean {
    const came = this.#comings.findLast((moment) => moment <= at) as number;
    return this.always(came, at, (rights) => rights !== undefined);
  }

  /**
   * Whether the message has to be here by now, without any doubt. At QoS 0 there is none only if nothing has changed
   * since that moment: a message on its way to the disk may be passed on by a subscription that is gone then.
   */
  mustHave(tried: Tried, unchangedSince: number): boolean {
    const { topic, qos, from } = tried;
    const now = this.#moments.now;
    if (this.options.share !== undefined || from < this.sessionSince || !this.#collects(from)) return false;
    const bounds = this.rights.during(from, now).map((rights) => readQos(rights, topic));
    const bound = Math.min(...bounds);
    if (bound < 0) return false;
    const isUnchanged = [this.rights, ...this.subscriptions.values()].every(
      ({ since }) => since < unchangedSince,
    );
    const wasThere = this.isConnected.during(from, now).every(Boolean);
    return [...this.subscriptions.values()].some((timeline) => {
      const requests = timeline.during(from, now);
      const isFit = (request: Request | undefined): boolean =>
        request !== undefined &&
        matches(request.filter, topic) &&
        !(request.noLocal && this.hasMade(tried)) &&
        (Math.min(qos, bound, request.qos) > 0
          ? wasThere || this.options.isPersistent
          : wasThere && isUnchanged);
      return requests.length > 0 && requests.every(isFit);
    });
  }
}

export function withoutShare(filter: string): string {
  return filter.startsWith("$share/") ? filter.split("/").slice(2).join("/") : filter;
}
