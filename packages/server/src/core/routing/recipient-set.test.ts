import { describe, expect, it } from "vitest";
import { FakeRecipient, subscriptionOf } from "../../../testing/test-message.ts";
import { asOf, type Delivery, withoutNoLocal } from "./delivery.ts";
import { Outbox } from "./outbox.ts";
import { RecipientSet, sharedDelivery } from "./recipient-set.ts";
import type { Subscription, SubscriptionEntry } from "./subscription.ts";

const session = new FakeRecipient("s");

function entry(subscription: Subscription, qos = subscription.qos): SubscriptionEntry {
  return { kind: "entry", subscription, qos };
}

function only(...entries: readonly SubscriptionEntry[]): Delivery {
  const { direct, logged } = new RecipientSet(entries);
  expect(direct.length + logged.length).toBe(1);
  return (direct[0] ?? logged[0]) as Delivery;
}

describe("RecipientSet", () => {
  it("merges overlapping subscriptions of a session into one copy, at the highest QoS, with all identifiers [MQTT-3.3.4-2, -4]", () => {
    const delivery = only(
      entry(subscriptionOf(session, "a/#", { qos: 0, identifier: 1 })),
      entry(subscriptionOf(session, "a/+", { qos: 2, identifier: 2, retainAsPublished: true })),
      entry(subscriptionOf(session, "a/b", { qos: 1, isChecked: true })),
    );
    expect(delivery).toMatchObject({ qos: 2, identifiers: [1, 2], retainAsPublished: true, isChecked: true });
  });

  it("counts a subscription whose granted filters overlap once, with the best QoS, whatever their order", () => {
    const subscription = subscriptionOf(session, "a/#", { identifier: 7 });
    for (const [first, second] of [[0, 1] as const, [1, 0] as const]) {
      const delivery = only(entry(subscription, first), entry(subscription, second));
      expect(delivery).toMatchObject({ qos: 1, identifiers: [7] });
    }
  });

  it("sends persistent sessions with QoS 1 or 2 by the log, all others directly", () => {
    const logged = new FakeRecipient("logged");
    logged.isLogged = true;
    const set = new RecipientSet([
      entry(subscriptionOf(session, "a")),
      entry(subscriptionOf(logged, "a")),
      new Outbox("a"),
    ]);
    expect(set.direct.map(({ recipient }) => recipient)).toEqual([session]);
    expect(set.logged.map(({ recipient }) => recipient)).toEqual([logged]);
    expect([set.needsLog, set.isEmpty]).toEqual([true, false]);
    expect(set.of(logged)?.qos).toBe(1);
    const atQos0 = new RecipientSet([entry(subscriptionOf(logged, "a", { qos: 0 }))]);
    expect([atQos0.direct.length, atQos0.needsLog]).toEqual([1, false]);
  });

  it("leaves out no-local subscriptions for what the session published itself [MQTT-3.8.3-3]", () => {
    const local = entry(subscriptionOf(session, "a", { qos: 2, noLocal: true, identifier: 1 }));
    expect(withoutNoLocal(only(local))).toBeUndefined();
    const both = only(local, entry(subscriptionOf(session, "#", { qos: 1, identifier: 2 })));
    expect(withoutNoLocal(both)).toMatchObject({ qos: 1, identifiers: [2] });
  });

  it("leaves out subscriptions that are younger than a record", () => {
    const old = entry(subscriptionOf(session, "#", { qos: 1, from: 10 }));
    const young = entry(subscriptionOf(session, "a", { qos: 2, from: 20 }));
    const delivery = only(old, young);
    expect(delivery.newestFrom).toBe(20);
    expect(asOf(delivery, 21)?.qos).toBe(2);
    expect(asOf(delivery, 20)?.qos).toBe(1);
    expect(asOf(delivery, 10)).toBeUndefined();
  });

  it("delivers a shared message by its subscription alone", () => {
    const granted = [{ filter: "a", qos: 0 } as const, { filter: "b", qos: 1 } as const];
    expect(sharedDelivery(subscriptionOf(session, "$share/g/#", { granted, identifier: 3 }))).toMatchObject({
      qos: 1,
      identifiers: [3],
    });
  });
});
