/**
 * What access control costs, by the length of the policy: an allowed publish, and 10,000 users of one policy.
 *
 *   node --conditions=@weir/source bench/policy.ts
 */
import { bench, do_not_optimize, group, run, summary } from "mitata";
import { compilePolicy, type Policy, type PolicyEntry } from "../packages/server/src/core/access/policy.ts";
import { Router, type RouterOptions } from "../packages/server/src/core/routing/router.ts";
import type { Recipient, Subscription } from "../packages/server/src/core/routing/subscription.ts";

const USERS = 10_000;
const LENGTHS = [1, 50, 1_000];
const values = { subject: "alice", clientId: "phone", tokenId: "t1" };

function entriesOf(count: number): PolicyEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    actions: ["publish", "subscribe"],
    topic: `data/user-${index}/#`,
  }));
}

function topicsOf(count: number): { name: string; levels: string[] }[] {
  const names = Array.from({ length: count }, (_, index) => `data/user-${index}/bus-04/position`);
  return names.map((name) => ({ name, levels: name.split("/") }));
}

function publishing(policy: Policy, count: number): () => void {
  const topics = topicsOf(count);
  let next = 0;
  return () => {
    const { name, levels } = topics[next++ % count]!;
    do_not_optimize(policy.checkPublish(name, levels, 1, false));
  };
}

function subscriptionOf(index: number, topicFilter: string, policy: Policy): Subscription {
  const { filters, checked } = policy.effectiveFilters(topicFilter, 0);
  const recipient: Recipient = {
    key: `user ${index}`,
    isLogged: false,
    isConnected: true,
    canTake: () => true,
    canRead: () => true,
    deliver: () => undefined,
    deliverLogged: () => undefined,
    deliverShared: () => undefined,
  };
  return {
    recipient,
    topicFilter,
    qos: 0,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifier: undefined,
    granted: filters,
    checkedBy: checked ? policy : undefined,
    from: 0,
  };
}

/** A router on which so many users of the policy have subscribed to everything that they may see. */
function crowdedRouter(policy: Policy): Router {
  // Who gets a topic is known without a log, a store or a clock
  const router = new Router({ tenant: "bench", epoch: "" } as RouterOptions);
  for (let index = 0; index < USERS; index++) router.attach(subscriptionOf(index, "#", policy));
  return router;
}

group("an allowed publish, and what it is decided by", () => {
  for (const count of LENGTHS) {
    const policy = compilePolicy(entriesOf(count), values);
    bench(`allowed publish, ${count} entries`, publishing(policy, count));
  }
});

group("a policy's own cost", () => {
  for (const count of LENGTHS) {
    const entries = entriesOf(count);
    const policy = compilePolicy(entries, values);
    bench(`compile, ${count} entries`, () => do_not_optimize(compilePolicy(entries, values)));
    bench(`effective filters of #, ${count} entries`, () => do_not_optimize(policy.effectiveFilters("#", 1)));
    let next = 0;
    bench(`effective filters of one of many filters, ${count} entries`, () =>
      do_not_optimize(policy.effectiveFilters(`data/user-${next++ % count}/+/${next}`, 1)));
  }
});

summary(() => {
  group(`a message beside ${USERS} users of one policy on #, one of whom comes and goes`, () => {
    for (const count of [0, ...LENGTHS]) {
      const policy = compilePolicy(entriesOf(count), values);
      const router = crowdedRouter(policy);
      const topic = router.topic("other/topic");
      let next = USERS;
      bench(`policy of ${count} entries`, () => {
        const subscription = subscriptionOf(next++, "#", policy);
        router.attach(subscription);
        do_not_optimize(router.hasRecipients({ topic } as never));
        router.detach(subscription);
      });
    }
  });
});

await run();
