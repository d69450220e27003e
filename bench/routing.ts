/**
 * What the core's hot path costs per step on this machine, in nanoseconds (best of several rounds).
 *
 *   node --conditions=@weir/source bench/routing.ts
 */
import { Router, type RouterOptions } from "../packages/server/src/core/routing/router.ts";
import type { Recipient, Subscription } from "../packages/server/src/core/routing/subscription.ts";
import { InFlight } from "../packages/server/src/core/session/in-flight.ts";
import { SubscriptionTree } from "../packages/server/src/core/topics/subscription-tree.ts";
import { measure } from "./measure.ts";

const SUBSCRIPTIONS = 10_000;
const IN_FLIGHT = 100;

const nobody: Recipient = {
  key: "nobody",
  isLogged: false,
  isConnected: true,
  canTake: () => true,
  canRead: () => true,
  deliver: () => undefined,
  deliverLogged: () => undefined,
  deliverShared: () => undefined,
};

function subscriptionOf(topicFilter: string): Subscription {
  return {
    recipient: { ...nobody, key: topicFilter },
    topicFilter,
    qos: 0,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifier: undefined,
    granted: [{ filter: topicFilter, qos: 0 }],
    checkedBy: undefined,
    from: 0,
  };
}

const filterOf = (index: number): string => `data/user-${index}/+/position`;
const topics = Array.from({ length: 1_024 }, (_, index) => `data/user-${index}/bus-04/position`);
const levels = topics.map((topic) => topic.split("/"));
/** What was computed is used, or it would not be computed. */
let sum = 0;

function measureTree(): void {
  const tree = new SubscriptionTree<number>();
  for (let index = 0; index < SUBSCRIPTIONS; index++) tree.add(filterOf(index), index);
  const found: number[] = [];
  measure(`tree match, 1 of ${SUBSCRIPTIONS} subscriptions`, 200_000, (operations) => {
    for (let done = 0; done < operations; done++) {
      found.length = 0;
      tree.match(levels[done & 1_023]!, found);
      sum += found.length;
    }
  });
  measure("tree add and remove", 100_000, (operations) => {
    for (let done = 0; done < operations; done++) {
      tree.add("data/user-7/bus-04/speed", -1);
      tree.remove("data/user-7/bus-04/speed", -1);
    }
  });
}

function measureRecipients(): void {
  // Who gets a topic is known without a log, a store or a clock
  const router = new Router({ tenant: "bench", epoch: "" } as RouterOptions);
  for (let index = 0; index < SUBSCRIPTIONS; index++) router.attach(subscriptionOf(filterOf(index)));
  measure("recipients, found before", 1_000_000, (operations) => {
    for (let done = 0; done < operations; done++)
      sum += router.recipientsOf(router.topic(topics[done & 1_023]!)).direct.length;
  });
  const moving = subscriptionOf("data/user-7/bus-04/speed");
  const topic = router.topic("data/user-7/bus-04/position");
  measure("recipients, after another subscription of the user", 100_000, (operations) => {
    for (let done = 0; done < operations; done++) {
      if ((done & 1) === 0) router.attach(moving);
      else router.detach(moving);
      sum += router.recipientsOf(topic).direct.length;
    }
  });
}

function measureInFlight(): void {
  const inFlight = new InFlight();
  const send = (): number => {
    const packetId = inFlight.nextId()!;
    inFlight.add({
      packetId,
      qos: 1,
      state: "sent",
      message: undefined,
      seq: undefined,
      retain: false,
      identifiers: [],
      origin: undefined,
      hasPosition: false,
      isOutstanding: true,
    });
    return packetId;
  };
  const ids = Array.from({ length: IN_FLIGHT }, send);
  measure(`in flight: send and acknowledge, ${IN_FLIGHT} under way`, 1_000_000, (operations) => {
    for (let done = 0; done < operations; done++) {
      const slot = done % IN_FLIGHT;
      inFlight.delete(ids[slot]!);
      ids[slot] = send();
    }
  });
}

measureTree();
measureRecipients();
measureInFlight();
if (sum === 0) console.log("nothing was measured");
