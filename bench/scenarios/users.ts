import type { Allowance, BrokerKind, Credential, Grant, RunningBroker } from "../brokers/broker.ts";

const USERS = 100;
const mayBench: readonly Allowance[] = [{ actions: ["publish", "subscribe"], topic: "bench/#" }];

/** A hundred users who may use the topics of the generator. */
export const benchUsers: readonly Grant[] = Array.from({ length: USERS }, (_, index) => ({
  user: `user-${index}`,
  allow: mayBench,
}));

/** What Weir is measured with; the peers are anonymous. */
export function usualGrants(broker: BrokerKind): readonly Grant[] {
  return broker.name === "Weir" ? benchUsers : [];
}

/** Those of the generator's users. */
export function benchCredentials({ credentials }: RunningBroker): Credential[] {
  return benchUsers.flatMap(({ user }) => credentials.get(user) ?? []);
}
