import type { ConnectPacket, PublishPacket, Qos, SubscribePacket, SubscriptionRequest } from "@weir/protocol";
import { FakeClock } from "@weir/testkit";
import type { Authentication, Authenticator, Credentials } from "../src/core/access/authenticator.ts";
import { Policy } from "../src/core/access/policy.ts";
import type { Principal } from "../src/core/access/principal.ts";
import type { Clock } from "../src/core/ports/clock.ts";
import { type Counters, createCounters, type Logger } from "../src/core/ports/telemetry.ts";
import { BrokerCore } from "../src/core/session/broker-core.ts";
import { defaultLimits, type Limits } from "../src/core/session/limits.ts";
import type { HistoryDeclaration } from "../src/core/history/history-declaration.ts";
import type { Session } from "../src/core/session/session.ts";
import { type MemoryEngine, openMemoryEngine } from "../src/engine/memory/memory-engine.ts";
import { FakeLink } from "./fake-link.ts";

const tenant = "default";

/** Lets everybody in: the user name is the subject, or the client id where there is none. Policies by subject. */
export class FakeAuthenticator implements Authenticator {
  readonly policies: Map<string, Policy> = new Map();
  /** Of those that are in no map. */
  policy: Policy = Policy.everything;

  // oxlint-disable-next-line typescript/require-await -- the port is a promise
  async authenticate({ clientId, username }: Credentials): Promise<Authentication> {
    const identity = { realm: "token", subject: username ?? clientId };
    const policy = this.policyOf(identity.subject);
    const principal = { tenant, identity, clientId, policy, policyVersion: 0, endsAtMs: Infinity };
    return { kind: "accepted", principal };
  }

  refresh(principal: Principal): void {
    principal.policy = this.policyOf(principal.identity.subject);
  }

  mayResume(): boolean {
    return true;
  }

  policyOf(subject: string): Policy {
    return this.policies.get(subject) ?? this.policy;
  }
}

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export interface CoreFixtureOptions {
  readonly limits?: Partial<Limits>;
  readonly authenticator?: FakeAuthenticator;
  readonly clock?: FakeClock;
  readonly engine?: MemoryEngine;
  readonly logger?: Logger;
  /** In force from the start, under their filters as keys. */
  readonly histories?: readonly HistoryDeclaration[];
}

/** A real core over an engine in memory, on a clock that stands still, with links that carry no bytes. */
export class CoreFixture {
  readonly clock: FakeClock;
  readonly engine: MemoryEngine;
  readonly core: BrokerCore;
  readonly counters: Counters = createCounters();
  readonly authenticator: FakeAuthenticator;
  readonly links: FakeLink[] = [];
  readonly #options: CoreFixtureOptions;
  #ids = 0;

  constructor(options: CoreFixtureOptions = {}) {
    this.#options = options;
    this.clock = options.clock ?? new FakeClock();
    this.engine = options.engine ?? openMemoryEngine({ clock: this.clock });
    this.authenticator = options.authenticator ?? new FakeAuthenticator();
    this.core = new BrokerCore({
      engine: this.engine,
      authenticator: this.authenticator,
      clock: this.clock satisfies Clock,
      counters: this.counters,
      logger: options.logger ?? silent,
      randomId: () => `${this.engine.nodeId}-${(this.#ids += 1)}`,
      limits: { ...defaultLimits, ...options.limits },
      histories: () =>
        (options.histories ?? []).map((declaration) => ({ tenant, key: declaration.filter, declaration })),
    });
  }

  /** Recovers what the engine has; and what a broker's access does then: principals get the rights of now. */
  async start(): Promise<this> {
    const started = this.core.start();
    await this.clock.settle();
    await started;
    for (const session of this.core.sessions.list(tenant)) this.follow(session);
    await this.clock.settle();
    return this;
  }

  /** Lets a session's policy follow what the authenticator says now. */
  follow(session: Session): void {
    const { principal } = session;
    const policy = this.authenticator.policyOf(principal.identity.subject);
    if (policy === principal.policy) return;
    principal.policy = policy;
    principal.policyVersion += 1;
    session.policyChanged();
  }

  /** Replaces a subject's policy, and lets its sessions follow. */
  setPolicy(subject: string, policy: Policy): void {
    this.authenticator.policies.set(subject, policy);
    for (const session of this.core.sessions.list(tenant))
      if (session.principal.identity.subject === subject) this.follow(session);
  }

  link(): FakeLink {
    const link = new FakeLink(this.core);
    this.links.push(link);
    return link;
  }

  /** A client whose CONNECT was accepted; its CONNACK is taken. */
  async connected(clientId: string, overrides: Partial<ConnectPacket> = {}): Promise<FakeLink> {
    const link = this.link();
    link.give(connectPacket(clientId, overrides));
    await this.clock.settle();
    const [connack] = link.take("connack");
    if (connack?.reasonCode !== 0) throw new Error(`CONNECT was refused with ${connack?.reasonCode}`);
    return link;
  }

  /** A persistent client: Clean Start 0, a session expiry of an hour. */
  persistent(clientId: string, overrides: Partial<ConnectPacket> = {}): Promise<FakeLink> {
    const properties = { sessionExpiryInterval: 3_600, ...overrides.properties };
    return this.connected(clientId, { cleanStart: false, ...overrides, properties });
  }

  session(clientId: string): Session {
    for (const session of this.core.sessions.list(tenant)) if (session.clientId === clientId) return session;
    throw new Error(`there is no session of ${clientId}`);
  }

  settle(): Promise<void> {
    return this.clock.settle();
  }

  /** Lets that much time pass, with all that it brings. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(Math.min(500, ms - passed));
      await this.clock.settle();
    }
  }

  /** Ends it as `kill -9` would, and starts another on what the engine kept; for `seed` see `CrashOptions`. */
  async crash(seed?: number): Promise<CoreFixture> {
    for (const link of this.links) link.vanish();
    const engine = this.engine.crash(seed === undefined ? {} : { seed });
    return new CoreFixture({
      ...this.#options,
      clock: this.clock,
      authenticator: this.authenticator,
      engine,
    }).start();
  }
}

export async function startedCore(options: CoreFixtureOptions = {}): Promise<CoreFixture> {
  return new CoreFixture(options).start();
}

export function connectPacket(clientId: string, overrides: Partial<ConnectPacket> = {}): ConnectPacket {
  return {
    type: "connect",
    protocolVersion: 5,
    cleanStart: true,
    keepAlive: 0,
    clientId,
    properties: {},
    ...overrides,
  };
}

export function subscribePacket(
  packetId: number,
  ...requests: readonly (Partial<SubscriptionRequest> & { readonly topicFilter: string })[]
): SubscribePacket {
  const defaults = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 2 } as const;
  return {
    type: "subscribe",
    packetId,
    subscriptions: requests.map((request) => ({ ...defaults, ...request })),
  };
}

const encoder = new TextEncoder();

export function publishPacket(
  topic: string,
  payload: string,
  how: { readonly qos?: Qos; readonly packetId?: number } & Partial<Omit<PublishPacket, "payload">> = {},
): PublishPacket {
  const defaults = { qos: 0, retain: false, dup: false, packetId: how.qos ? 1 : 0 } as const;
  return { type: "publish", topic, payload: encoder.encode(payload), ...defaults, ...how };
}
