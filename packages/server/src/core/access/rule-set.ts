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
  /** Seconds; Infinity: any age. */
  readonly maxAge: number;
}

/** Why a publish is refused: no right to the topic, beyond `maxQos`, or retained where that is not allowed. */
export type PublishVerdict = "allowed" | "denied" | "qos" | "retain";

/** Up to here a pass over the rules, 15 ns each, is faster than a walk through a tree. */
const LINEAR_UP_TO = 6;

/** Rules of one action and one effect, made to find quickly those that match a topic name, given as split levels. */
export class RuleSet {
  readonly rules: readonly Rule[];
  #tree: SubscriptionTree<Rule> | undefined;
  /** Reused by every search, so that a search allocates nothing. */
  readonly #found: Rule[] = [];

  constructor(rules: readonly Rule[]) {
    this.rules = rules.slice();
  }

  /** Whether some rule matches. */
  matches(topic: readonly string[]): boolean {
    if (this.#usesTree) return this.#search(topic).length > 0;
    for (const rule of this.rules) if (levelsMatch(rule.levels, topic)) return true;
    return false;
  }

  /** The highest `maxQos` among the rules that match, or -1 if none does. */
  maxQos(topic: readonly string[]): Qos | -1 {
    const isFound = this.#usesTree;
    let highest: Qos | -1 = -1;
    for (const rule of isFound ? this.#search(topic) : this.rules) {
      if (rule.maxQos > highest && (isFound || levelsMatch(rule.levels, topic))) highest = rule.maxQos;
    }
    return highest;
  }

  /** The highest `maxAge` among the rules that match, or -1 if none does. */
  maxAge(topic: readonly string[]): number {
    let highest = -1;
    for (const rule of this.rules)
      if (rule.maxAge > highest && levelsMatch(rule.levels, topic)) highest = rule.maxAge;
    return highest;
  }

  /** "allowed" if one rule that matches allows both; else what the most generous of them lacks. */
  publishVerdict(topic: readonly string[], qos: Qos, retain: boolean): PublishVerdict {
    const isFound = this.#usesTree;
    let verdict: PublishVerdict = "denied";
    for (const rule of isFound ? this.#search(topic) : this.rules) {
      if (!isFound && !levelsMatch(rule.levels, topic)) continue;
      if (rule.maxQos < qos) {
        if (verdict === "denied") verdict = "qos";
      } else {
        if (rule.retain || !retain) return "allowed";
        verdict = "retain";
      }
    }
    return verdict;
  }

  /** At least the rules that have a topic in common with the filter. */
  overlapping(filter: readonly string[]): readonly Rule[] {
    if (!this.#usesTree) return this.rules;
    const found: Rule[] = [];
    (this.#tree ??= treeOf(this.rules)).overlapping(filter, found);
    return found;
  }

  get #usesTree(): boolean {
    return this.rules.length > LINEAR_UP_TO;
  }

  /** The tree is made when it is first needed: many policies are for publishing alone, or for reading. */
  #search(topic: readonly string[]): readonly Rule[] {
    this.#found.length = 0;
    (this.#tree ??= treeOf(this.rules)).match(topic, this.#found);
    return this.#found;
  }
}

function treeOf(rules: readonly Rule[]): SubscriptionTree<Rule> {
  // Nobody caches by these versions: the rules never change.
  const tree = new SubscriptionTree<Rule>(new TopicVersions(1));
  for (const rule of rules) tree.add(rule.filter, rule);
  return tree;
}
