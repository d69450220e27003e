import { type Qos, topicMatches } from "@weir/protocol";
import { describe, expect, it } from "vitest";
import { Random } from "../../../testing/random.ts";
import { FakeRecipient, subscriptionOf } from "../../../testing/test-message.ts";
import { compilePolicy, type Policy, type PolicyEntry } from "../access/policy.ts";
import { SubscriptionTree } from "../topics/subscription-tree.ts";
import { Audiences } from "./audiences.ts";
import type { Delivery } from "./delivery.ts";
import { type DeliveryList, RecipientSet, type Subscriber } from "./recipient-set.ts";
import type { Subscription } from "./subscription.ts";
import { TopicTable, type Topic } from "./topic-table.ts";

const topics = ["a/1", "a/2", "b/1", "b/2/c", "c"];
const asked = ["#", "a/+", "b/#", "+/1", "c"];
const rules: readonly (readonly PolicyEntry[])[] = [
  [{ actions: ["subscribe"], topic: "#" }],
  [
    { actions: ["subscribe"], topic: "a/#", maxQos: 1 },
    { actions: ["subscribe"], topic: "+/1", maxQos: 0 },
  ],
  [
    { actions: ["subscribe"], topic: "#" },
    { effect: "deny", actions: ["subscribe"], topic: "b/#" },
  ],
  [{ actions: ["subscribe"], topic: "none" }],
];

/** Sessions that come, subscribe, change their policy and go; the tree's answer beside a look at every subscription. */
class Crowd {
  readonly random: Random;
  readonly tree = new SubscriptionTree<Subscriber>();
  readonly audiences = new Audiences(this.tree);
  readonly topics = new TopicTable((levels) => this.tree.versions.slotsFor(levels));
  readonly sessions: readonly FakeRecipient[];
  readonly policies = new Map<FakeRecipient, Policy>();
  readonly subscriptions = new Map<FakeRecipient, Map<string, Subscription>>();

  constructor(seed: number) {
    this.random = new Random(seed);
    this.sessions = Array.from({ length: 40 }, (_, index) => {
      const session = new FakeRecipient(`s${index}`);
      session.isLogged = index % 3 === 0;
      return session;
    });
    for (const session of this.sessions) {
      this.policies.set(session, this.#anyPolicy());
      this.subscriptions.set(session, new Map());
    }
  }

  subscribe(session: FakeRecipient, topicFilter: string): void {
    const { random } = this;
    const qos = random.below(3) as Qos;
    const identifier = random.chance(0.3) ? 1 + random.below(2) : undefined;
    const retainAsPublished = random.chance(0.2);
    this.#put(session, subscriptionOf(session, topicFilter, { qos, identifier, retainAsPublished }));
  }

  unsubscribe(session: FakeRecipient, topicFilter: string): void {
    const held = this.subscriptions.get(session);
    const subscription = held?.get(topicFilter);
    held?.delete(topicFilter);
    if (subscription) this.audiences.leave(subscription);
  }

  changePolicy(session: FakeRecipient): void {
    this.policies.set(session, this.#anyPolicy());
    for (const one of this.subscriptions.get(session)?.values() ?? [])
      this.#put(session, { ...one, audiences: undefined });
  }

  recipientsOf(topic: Topic): RecipientSet {
    const stamp = this.tree.versions.sum(topic.slots);
    if (topic.stamp === stamp && topic.recipients?.isCurrent) return topic.recipients;
    const found: Subscriber[] = [];
    this.tree.match(topic.levels, found);
    topic.stamp = stamp;
    return (topic.recipients = new RecipientSet(topic, found));
  }

  /** What each session gets of a topic, by a look at every subscription and every granted filter. */
  naive({ name, levels }: Topic): string[] {
    return this.sessions.flatMap((session) => {
      const matching = [...(this.subscriptions.get(session)?.values() ?? [])].flatMap((one) => {
        const granted = one.granted.filter(({ filter }) => topicMatches(filter, name));
        const isAllowed = one.checkedBy?.canRead(name, levels) ?? true;
        return isAllowed && granted.length > 0
          ? [{ one, qos: Math.max(...granted.map(({ qos }) => qos)) }]
          : [];
      });
      if (matching.length === 0) return [];
      const identifiers = matching.map(({ one }) => one.identifier).filter((one) => one !== undefined);
      const qos = Math.max(...matching.map((one) => one.qos));
      const isRetained = matching.some(({ one }) => one.retainAsPublished);
      return [shown(session, { qos, identifiers, isRetained, isLogged: session.isLogged && qos > 0 })];
    });
  }

  #anyPolicy(): Policy {
    return compilePolicy(this.random.pick(rules), { subject: "s", clientId: "c" });
  }

  #put(session: FakeRecipient, wanted: Subscription): void {
    const policy = this.policies.get(session) as Policy;
    const { filters, checked } = policy.effectiveFilters(
      wanted.topicFilter,
      wanted.qos,
      1 + this.random.below(3),
    );
    const checkedBy = checked ? policy : undefined;
    const subscription = { ...wanted, granted: filters, checkedBy };
    const held = this.subscriptions.get(session);
    const before = held?.get(wanted.topicFilter);
    this.audiences.join(subscription);
    held?.set(wanted.topicFilter, subscription);
    if (before) this.audiences.leave(before);
  }
}

interface Got {
  readonly qos: number;
  readonly identifiers: readonly number[];
  readonly isRetained: boolean;
  readonly isLogged: boolean;
}

function shown({ key }: { readonly key: string }, { qos, identifiers, isRetained, isLogged }: Got): string {
  return `${key} qos ${qos} ids ${identifiers.toSorted((a, b) => a - b).join()} ${isRetained} ${isLogged ? "logged" : "direct"}`;
}

function all(lists: readonly DeliveryList[]): readonly Delivery[] {
  return lists.flatMap(({ members }) => members);
}

function show(set: RecipientSet): string[] {
  const lines = (lists: readonly DeliveryList[], isLogged: boolean): string[] =>
    all(lists).map(({ recipient, qos, identifiers = [], retainAsPublished }) =>
      shown(recipient, { qos, identifiers, isRetained: retainAsPublished, isLogged }),
    );
  return [...lines(set.direct, false), ...lines(set.logged, true)];
}

describe("Audiences", () => {
  it.each(Array.from({ length: 60 }, (_, index) => index + 1))(
    "give each session what a look at every subscription gives it: seed %i",
    (seed) => {
      const crowd = new Crowd(seed);
      for (let step = 0; step < 400; step += 1) {
        const session = crowd.random.pick(crowd.sessions);
        const dice = crowd.random.below(10);
        if (dice < 5) crowd.subscribe(session, crowd.random.pick(asked));
        else if (dice < 8) crowd.unsubscribe(session, crowd.random.pick(asked));
        else crowd.changePolicy(session);
        const topic = crowd.topics.get(crowd.random.pick(topics));
        const set = crowd.recipientsOf(topic);
        expect({ seed, step, got: show(set).sort() }).toEqual({ seed, step, got: crowd.naive(topic).sort() });
        const one = crowd.random.pick(crowd.sessions);
        expect(set.of(one) !== undefined).toBe(
          crowd.naive(topic).some((line) => line.startsWith(`${one.key} `)),
        );
      }
      for (const session of crowd.sessions) for (const filter of asked) crowd.unsubscribe(session, filter);
      expect(crowd.tree.size).toBe(0);
    },
  );

  it("10,000 equal subscriptions are one value of the tree, and who joins makes no cached set stale", () => {
    const tree = new SubscriptionTree<Subscriber>();
    const audiences = new Audiences(tree);
    const subscriptions = Array.from({ length: 10_000 }, (_, index) =>
      subscriptionOf(new FakeRecipient(`s${index}`), "#", { qos: 0 }),
    );
    const slots = tree.versions.slotsFor(["a", "b"]);
    audiences.join(subscriptions[0] as Subscription);
    const stamp = tree.versions.sum(slots);
    for (const subscription of subscriptions.slice(1)) audiences.join(subscription);
    expect([tree.size, tree.versions.sum(slots)]).toEqual([1, stamp]);
    for (const subscription of subscriptions) audiences.leave(subscription);
    expect(tree.size).toBe(0);
  });

  it("whoever runs over the members meets each once, whatever leaves and comes meanwhile", () => {
    const tree = new SubscriptionTree<Subscriber>();
    const audiences = new Audiences(tree);
    const subscriptions = Array.from({ length: 40 }, (_, index) =>
      subscriptionOf(new FakeRecipient(`s${index}`), "a", { qos: 0 }),
    );
    for (const subscription of subscriptions) audiences.join(subscription);
    const found: Subscriber[] = [];
    tree.match(["a"], found);
    const [list] = new RecipientSet({ name: "a", levels: ["a"] }, found).direct;
    const { members } = list as DeliveryList;
    const met = new Set<string>();
    for (let index = 0; index < 40; index += 1) {
      met.add((members[index] as Delivery).recipient.key);
      audiences.leave(subscriptions[(index * 7) % 40] as Subscription);
      audiences.join(subscriptionOf(new FakeRecipient(`new ${index}`), "a", { qos: 0 }));
    }
    expect(met.size).toBe(40);
    expect([...met].some((key) => key.startsWith("new"))).toBe(false);
  });
});
