import type { Qos } from "@weir/protocol";
import { levelsMatch } from "../topics/filter-matching.ts";
import { SubscriptionTree } from "../topics/subscription-tree.ts";
import { TopicVersions } from "../topics/topic-versions.ts";

/** A policy entry with its placeholders filled in. */
export interface Rule {
  readonly filter: string;
  readonly levels: readonly string[];
  readonly maxQos: Qos;
  readonly retain: boolean;
  readonly share: readonly string[];
}

/** Up to here a pass over the rules is faster than a walk through a tree: 12-60 ns against some 300 ns. */
const LINEAR_UP_TO = 12;

/** Rules of one action and one effect, made to find quickly those that match a topic. */
export class RuleSet {
  readonly rules: readonly Rule[];
  readonly #tree: SubscriptionTree<Rule> | undefined;
  /** Reused by every search, so that a search allocates nothing. */
  readonly #found: Rule[] = [];

  constructor(rules: readonly Rule[]) {
    this.rules = rules;
    this.#tree = rules.length > LINEAR_UP_TO ? treeOf(rules) : undefined;
  }

  get isIndexed(): boolean {
    return this.#tree !== undefined;
  }

  /** Whether some rule matches the topic name, given as split levels. */
  matches(topic: readonly string[]): boolean {
    if (this.#tree) return this.#search(this.#tree, topic).length > 0;
    for (const rule of this.rules) if (levelsMatch(rule.levels, topic)) return true;
    return false;
  }

  /** The highest `maxQos` among the rules that match, or -1 if none does. */
  maxQos(topic: readonly string[]): Qos | -1 {
    let highest: Qos | -1 = -1;
    if (this.#tree) {
      for (const rule of this.#search(this.#tree, topic)) if (rule.maxQos > highest) highest = rule.maxQos;
      return highest;
    }
    for (const rule of this.rules) {
      if (rule.maxQos > highest && levelsMatch(rule.levels, topic)) highest = rule.maxQos;
    }
    return highest;
  }

  /** The rules that match; valid until the next call. */
  matching(topic: readonly string[]): readonly Rule[] {
    if (this.#tree) return this.#search(this.#tree, topic);
    this.#found.length = 0;
    for (const rule of this.rules) if (levelsMatch(rule.levels, topic)) this.#found.push(rule);
    return this.#found;
  }

  #search(tree: SubscriptionTree<Rule>, topic: readonly string[]): readonly Rule[] {
    this.#found.length = 0;
    tree.match(topic, this.#found);
    return this.#found;
  }
}

function treeOf(rules: readonly Rule[]): SubscriptionTree<Rule> {
  // Nobody caches by these versions: the rules never change.
  const tree = new SubscriptionTree<Rule>(new TopicVersions(2));
  for (const rule of rules) tree.add(rule.filter, rule);
  return tree;
}
