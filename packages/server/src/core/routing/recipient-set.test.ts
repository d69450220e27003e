import { describe, expect, it } from "vitest";
import { FakeRecipient, messageOf, subscriptionOf } from "../../../testing/test-message.ts";
import { compilePolicy } from "../access/policy.ts";
import { SubscriptionTree } from "../topics/subscription-tree.ts";
import { Audiences } from "./audiences.ts";
import { asRecorded, type Delivery, withoutNoLocal } from "./delivery.ts";
import { Outbox } from "./outbox.ts";
import { type DeliveryList, RecipientSet, sharedDelivery, type Subscriber } from "./recipient-set.ts";
import type { Subscription } from "./subscription.ts";

const session = new FakeRecipient("s");
const readsAll = compilePolicy([{ actions: ["subscribe"], topic: "#" }], { subject: "s", clientId: "s" });

function setOf(name: string, subscriptions: readonly Subscription[], ...others: Subscriber[]): RecipientSet {
  const tree = new SubscriptionTree<Subscriber>();
  const audiences = new Audiences(tree);
  for (const subscription of subscriptions) audiences.join(subscription);
  const levels = name.split("/");
  const found: Subscriber[] = [...others];
  tree.match(levels, found);
  return new RecipientSet({ name, levels }, found);
}

function all(lists: readonly DeliveryList[]): readonly Delivery[] {
  return lists.flatMap(({ members }) => members);
}

function only(name: string, ...subscriptions: readonly Subscription[]): Delivery {
  const { direct, logged, tracked } = setOf(name, subscriptions);
  const [delivery, ...more] = [...all(direct), ...all(logged), ...all(tracked)];
  expect(more).toEqual([]);
  return delivery as Delivery;
}

describe("RecipientSet", () => {
  it("merges overlapping subscriptions of a session into one copy, at the highest QoS, with all identifiers [MQTT-3.3.4-2, -4]", () => {
    const delivery = only(
      "a/b",
      subscriptionOf(session, "a/#", { qos: 0, identifier: 1 }),
      subscriptionOf(session, "a/+", { qos: 2, identifier: 2, retainAsPublished: true }),
      subscriptionOf(session, "a/b", { qos: 1, checkedBy: readsAll }),
    );
    expect(delivery).toMatchObject({ qos: 2, retainAsPublished: true, isChecked: true });
    expect(delivery.identifiers?.toSorted()).toEqual([1, 2]);
  });

  it("sends the same identifier twice where two subscriptions that match have it", () => {
    const [one, two] = ["a/#", "a/+"].map((filter) => subscriptionOf(session, filter, { identifier: 7 }));
    expect(only("a/b", one as Subscription, two as Subscription).identifiers).toEqual([7, 7]);
  });

  it("counts a subscription whose granted filters overlap once, with the best QoS, whatever their order", () => {
    for (const [first, second] of [[0, 1] as const, [1, 0] as const]) {
      const granted = [{ filter: "a/+", qos: first } as const, { filter: "+/b", qos: second } as const];
      const subscription = subscriptionOf(session, "#", { granted, identifier: 7 });
      expect(only("a/b", subscription)).toMatchObject({ qos: 1, identifiers: [7] });
      expect(only("a/c", subscription)).toMatchObject({ qos: first, identifiers: [7] });
    }
  });

  it("sends persistent sessions with QoS 1 or 2 by the log, all others directly", () => {
    const logged = new FakeRecipient("logged");
    logged.isLogged = true;
    const subscriptions = [subscriptionOf(session, "a"), subscriptionOf(logged, "a")];
    const set = setOf("a", subscriptions, new Outbox("a"));
    expect(all(set.direct).map(({ recipient }) => recipient)).toEqual([session]);
    expect(all(set.logged).map(({ recipient }) => recipient)).toEqual([logged]);
    expect([set.needsLog, set.isEmpty]).toEqual([true, false]);
    expect(set.of(logged)?.qos).toBe(1);
    const atQos0 = setOf("a", [subscriptionOf(logged, "a", { qos: 0 })]);
    expect([all(atQos0.direct).length, atQos0.needsLog]).toEqual([1, false]);
  });

  it("sends a persistent session its one copy by the log where one of its subscriptions that match has QoS 1", () => {
    const logged = new FakeRecipient("logged");
    logged.isLogged = true;
    const other = subscriptionOf(session, "#", { qos: 0 });
    const set = setOf("a", [
      subscriptionOf(logged, "a", { qos: 0 }),
      other,
      subscriptionOf(logged, "+", { qos: 1 }),
    ]);
    expect(all(set.direct).map(({ recipient }) => recipient)).toEqual([session]);
    expect(all(set.logged).map(({ recipient, qos }) => [recipient, qos])).toEqual([[logged, 1]]);
  });

  it("leaves out whom the policy refuses the topic, without a look at each", () => {
    const policy = compilePolicy([{ actions: ["subscribe"], topic: "a/#" }], { subject: "s", clientId: "s" });
    const checked = subscriptionOf(session, "#", { checkedBy: policy });
    expect(setOf("b", [checked]).isEmpty).toBe(true);
    expect(setOf("b", [checked]).of(session)).toBeUndefined();
    expect(only("a/b", checked).isChecked).toBe(true);
  });

  it("leaves out no-local subscriptions for what the session published itself [MQTT-3.8.3-3]", () => {
    const local = subscriptionOf(session, "a", { qos: 2, noLocal: true, identifier: 1 });
    expect(withoutNoLocal(only("a", local))).toBeUndefined();
    const both = only("a", local, subscriptionOf(session, "#", { qos: 1, identifier: 2 }));
    expect(withoutNoLocal(both)).toMatchObject({ qos: 1, identifiers: [2] });
  });

  it("leaves out subscriptions that are younger than a record", () => {
    session.isLogged = true;
    const message = messageOf("a", "m");
    const old = subscriptionOf(session, "#", { qos: 1, from: 10 });
    const young = subscriptionOf(session, "a", { qos: 2, from: 20 });
    const delivery = only("a", old, young);
    expect(delivery.newestFrom).toBe(20);
    expect(asRecorded(delivery, message, 21)?.qos).toBe(2);
    expect(asRecorded(delivery, message, 20)?.qos).toBe(1);
    expect(asRecorded(delivery, message, 10)).toBeUndefined();
  });

  it("leaves out a record that was delivered directly before the subscription came that takes it from the log", () => {
    const plain = subscriptionOf(session, "#", { qos: 1, from: 10 });
    session.isLogged = false;
    const tracking = {
      since: undefined,
      hasPosition: true,
      after: 15,
      sinceMs: 0,
      isReplaying: false,
      mergedFrom: 20,
    };
    const tracked = subscriptionOf(session, "a", { qos: 1, from: 15, tracking });
    const delivery = only("a", plain, tracked);
    expect(delivery.path).toBe("tracked");
    const message = messageOf("a", "m");
    expect(asRecorded(delivery, message, 20)).toBeUndefined();
    expect(asRecorded(delivery, message, 21)).toMatchObject({ parts: [{}, {}] });
    expect(asRecorded(only("a", tracked), message, 20)).toMatchObject({ hasPosition: true });
    expect(asRecorded(only("a", tracked), message, 15)).toBeUndefined();
  });

  it("delivers a shared message by its subscription alone", () => {
    const granted = [{ filter: "a", qos: 0 } as const, { filter: "b", qos: 1 } as const];
    expect(sharedDelivery(subscriptionOf(session, "$share/g/#", { granted, identifier: 3 }))).toMatchObject({
      qos: 1,
      identifiers: [3],
    });
  });
});
