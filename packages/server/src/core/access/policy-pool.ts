import type { ActionRule, Policy } from "./policy.ts";

/** Below this many nobody looks for policies that are used no longer. */
const sweepFrom = 1_024;

/**
 * Policies in use, so that equal ones are one object: compiled once, remembering together what they said about a topic,
 * and told equal by comparing references. Holds none of them: what nobody uses goes.
 */
export class PolicyPool {
  /** Two policies of the same hash are not shared: the later one takes the place. */
  readonly #byHash = new Map<number, WeakRef<Policy>>();
  #sweepAt = sweepFrom;

  /** The policy of these rules, in this order; `compile` makes it where there is none. */
  of(rules: readonly ActionRule[], compile: () => Policy): Policy {
    const hash = hashOf(rules);
    const known = this.#byHash.get(hash)?.deref();
    if (known?.hasRules(rules)) return known;
    const policy = compile();
    if (this.#byHash.size >= this.#sweepAt) this.#sweep();
    this.#byHash.set(hash, new WeakRef(policy));
    return policy;
  }

  #sweep(): void {
    for (const [hash, policy] of this.#byHash) if (!policy.deref()) this.#byHash.delete(hash);
    this.#sweepAt = Math.max(sweepFrom, this.#byHash.size * 2);
  }
}

/** FNV-1a over the filters: policies that differ only in the rest are rare. */
function hashOf(rules: readonly ActionRule[]): number {
  let hash = rules.length;
  for (const { filter } of rules) {
    for (let i = 0; i < filter.length; i++) hash = Math.imul(hash ^ filter.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ 0x2f, 0x01000193);
  }
  return hash;
}
