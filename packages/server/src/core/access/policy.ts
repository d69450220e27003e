import { type Qos, splitLevels } from "@weir/protocol";
import { intersectLevels, levelsContain } from "../topics/filter-intersection.ts";
import { BoundedMemo } from "./bounded-memo.ts";
import {
  computeEffectiveFilters,
  type EffectiveFilters,
  MAX_EFFECTIVE_FILTERS,
} from "./effective-filters.ts";
import { MAX_POLICY_ENTRIES, type PolicyAction, type PolicyEntry } from "./policy-entry.ts";
import { PolicyPool } from "./policy-pool.ts";
import { type PublishVerdict, type Rule, RuleSet } from "./rule-set.ts";
import { fillTemplate, parseTemplate, type TemplateValues, widenTemplate } from "./template.ts";

export type { PolicyEntry } from "./policy-entry.ts";
export type { PublishVerdict } from "./rule-set.ts";

/** A rule with the actions that it is about. */
export interface ActionRule extends Rule {
  readonly effect: "allow" | "deny";
  readonly actions: readonly PolicyAction[];
}

interface ActionRules {
  readonly allow: RuleSet;
  readonly deny: RuleSet;
}

/** Topics that only the broker publishes to, or nobody does (semantics.md §1.2). */
const UNPUBLISHABLE: readonly string[] = ["$SYS", "$share", "$audit", "$client"];
/** What a policy of more rules said is remembered; for fewer the memos would be larger than their use. */
const MEMO_GRANTS_ABOVE_RULES = 16;
const MEMO_TOPICS_ABOVE_RULES = 64;
const MEMO_TOPICS = 1_024;
/** In filters, those asked for and those granted. */
const MEMO_GRANTS = 4_096;
/** Shared, because most policies have no deny rules, and there is a policy for each user. */
const noRules: RuleSet = new RuleSet([]);
const noGroups: readonly string[] = [];

/**
 * What a principal may do, compiled: a deny beats every allow, and what nothing matches is not allowed. Immutable; a
 * live change is another policy. Topics are given both whole and split into levels, because callers have both.
 */
export class Policy {
  /** May do nothing. */
  static readonly nothing: Policy = new Policy([]);
  /** May publish what is publishable at all and read everything, `$…` topics too where they are asked for by name. */
  static get everything(): Policy {
    return everything;
  }

  /** What it was made of; none for {@link Policy.everything}. */
  readonly rules: readonly ActionRule[];
  readonly #publish: ActionRules;
  readonly #subscribe: ActionRules;
  readonly #replay: ActionRules;
  readonly #topics: BoundedMemo<Qos | -1> | undefined;
  readonly #grants: BoundedMemo<EffectiveFilters> | undefined;
  /** A message that goes to many asks many times in a row. */
  #lastTopic: string | undefined;
  #lastQos: Qos | -1 = -1;

  constructor(rules: readonly ActionRule[]) {
    this.rules = rules.slice(); // what grew by pushing has room for 17; there is a policy for each user
    this.#publish = rulesFor("publish", rules);
    this.#subscribe = rulesFor("subscribe", rules);
    this.#replay = rulesFor("replay", rules);
    if (rules.length > MEMO_GRANTS_ABOVE_RULES)
      this.#grants = new BoundedMemo(MEMO_GRANTS, ({ filters }) => 1 + filters.length);
    if (rules.length > MEMO_TOPICS_ABOVE_RULES) this.#topics = new BoundedMemo(MEMO_TOPICS, () => 1);
  }

  /** Whether it was made of equal rules in this order. */
  hasRules(rules: readonly ActionRule[]): boolean {
    const own = this.rules;
    return own.length === rules.length && own.every((rule, i) => isSameRule(rule, rules[i] as ActionRule));
  }

  /**
   * Whether a message may be published. Several entries match: it is enough that one of them allows QoS and retain
   * (semantics.md §1.5).
   */
  checkPublish(topic: string, levels: readonly string[], qos: Qos, retain: boolean): PublishVerdict {
    if (isUnpublishable(topic, levels) || this.#publish.deny.matches(levels)) return "denied";
    return this.#publish.allow.publishVerdict(levels, qos, retain);
  }

  /** Whether messages on this topic may be delivered. A `$…` topic is readable only by an entry that names it. */
  canRead(topic: string, levels: readonly string[]): boolean {
    return this.#readQosOrNone(topic, levels) >= 0;
  }

  /** The highest QoS at which messages on this topic may be delivered, or undefined if they may not be. */
  readQos(topic: string, levels: readonly string[]): Qos | undefined {
    const qos = this.#readQosOrNone(topic, levels);
    return qos < 0 ? undefined : (qos as Qos);
  }

  /**
   * How old a message on this topic may be to be replayed, in seconds; undefined: it may not be, or not be read. Several
   * entries match: the most generous counts.
   */
  replayMaxAge(topic: string, levels: readonly string[]): number | undefined {
    const { allow, deny } = this.#replay;
    const maxAge = allow.maxAge(levels);
    return maxAge < 0 || deny.matches(levels) || !this.canRead(topic, levels) ? undefined : maxAge;
  }

  /** Whether something of what the filter matches may be replayed. */
  mayReplay(filter: string): boolean {
    const { allow, deny } = this.#replay;
    return computeEffectiveFilters({ filter, qos: 0 }, allow, deny, Infinity).filters.length > 0;
  }

  /**
   * What a subscription to `filter` grants: its intersection with each entry that allows to subscribe.
   *
   * @param limit how many filters may enter the tree, where the session has less room than {@link MAX_EFFECTIVE_FILTERS}
   */
  effectiveFilters(filter: string, qos: Qos, limit: number = MAX_EFFECTIVE_FILTERS): EffectiveFilters {
    const bound = Math.min(limit, MAX_EFFECTIVE_FILTERS);
    const { allow, deny } = this.#subscribe;
    const memo = this.#grants;
    if (!memo) return computeEffectiveFilters({ filter, qos }, allow, deny, bound);
    const key = `${qos} ${bound} ${filter}`;
    let granted = memo.get(key);
    if (!granted) memo.add(key, (granted = computeEffectiveFilters({ filter, qos }, allow, deny, bound)));
    return granted;
  }

  /**
   * Whether a subscription to `$share/{group}/{filter}` joins the group of the whole tenant: all that the member may
   * read of the filter lies within entries that open the group. Otherwise the group is its identity's own
   * (semantics.md §1.3).
   */
  allowsShare(group: string, filter: string): boolean {
    const requested = splitLevels(filter);
    const concerned = this.#subscribe.allow.overlapping(requested);
    const opening = concerned.filter((rule) => rule.share.includes(group));
    if (opening.length === 0) return false;
    const readable = concerned
      .map((rule) => intersectLevels(requested, rule.levels))
      .filter((part) => part !== undefined);
    return (
      readable.length > 0 &&
      readable.every((part) => opening.some((rule) => levelsContain(rule.levels, part)))
    );
  }

  #readQosOrNone(topic: string, levels: readonly string[]): Qos | -1 {
    if (topic === this.#lastTopic) return this.#lastQos;
    let qos = this.#topics?.get(topic);
    if (qos === undefined) {
      qos = highestReadQos(this.#subscribe, levels);
      this.#topics?.add(topic, qos);
    }
    this.#lastTopic = topic;
    this.#lastQos = qos;
    return qos;
  }
}

/** Not a rule, because no topic filter matches all `$…` topics. */
class EverythingPolicy extends Policy {
  constructor() {
    super([]);
  }

  override checkPublish(topic: string, levels: readonly string[]): PublishVerdict {
    return isUnpublishable(topic, levels) ? "denied" : "allowed";
  }

  override canRead(): boolean {
    return true;
  }

  override readQos(): Qos {
    return 2;
  }

  override replayMaxAge(): number {
    return Infinity;
  }

  override mayReplay(): boolean {
    return true;
  }

  override effectiveFilters(filter: string, qos: Qos): EffectiveFilters {
    return { filters: [{ filter, qos }], narrowed: false, checked: false };
  }
}

const everything: Policy = new EverythingPolicy();

const pool = new PolicyPool();

/**
 * Fills in the placeholders of the entries and gives the policy that they declare: the same object for the same entries.
 *
 * At most {@link MAX_POLICY_ENTRIES} rules come of it (semantics.md §1.7). Claims that would make more fail closed: a
 * deny entry then stands for `+` in its levels with placeholders, an allow entry for nothing.
 */
export function compilePolicy(entries: readonly PolicyEntry[], values: TemplateValues): Policy {
  const denies = entries.filter((entry) => entry.effect === "deny");
  const allows = entries.filter((entry) => entry.effect !== "deny");
  if (denies.length > MAX_POLICY_ENTRIES) return Policy.nothing;
  const rules: ActionRule[] = [];
  // Each deny entry not yet looked at keeps room for the one rule that it widens to.
  let room = MAX_POLICY_ENTRIES - denies.length;
  for (const entry of denies) {
    const template = parseTemplate(entry.topic);
    const filters = fillTemplate(template, values, "deny", room + 1) ?? [widenTemplate(template)];
    for (const levels of filters) rules.push(ruleOf(entry, "deny", levels));
    room += 1 - filters.length;
  }
  for (const entry of allows) {
    const filters = fillTemplate(parseTemplate(entry.topic), values, "allow", room) ?? [];
    for (const levels of filters) rules.push(ruleOf(entry, "allow", levels));
    room -= filters.length;
  }
  return pool.of(rules, () => new Policy(rules));
}

function ruleOf(entry: PolicyEntry, effect: "allow" | "deny", levels: readonly string[]): ActionRule {
  const { actions, maxQos = 2, retain = true, share = noGroups, maxAge = Infinity } = entry;
  return { effect, actions, filter: levels.join("/"), levels, maxQos, retain, share, maxAge };
}

function rulesFor(action: PolicyAction, rules: readonly ActionRule[]): ActionRules {
  const concerned = rules.filter((rule) => rule.actions.includes(action));
  return {
    allow: ruleSetOf(concerned.filter((rule) => rule.effect === "allow")),
    deny: ruleSetOf(concerned.filter((rule) => rule.effect === "deny")),
  };
}

function ruleSetOf(rules: readonly Rule[]): RuleSet {
  return rules.length === 0 ? noRules : new RuleSet(rules);
}

function highestReadQos(rules: ActionRules, levels: readonly string[]): Qos | -1 {
  return rules.deny.matches(levels) ? -1 : rules.allow.maxQos(levels);
}

function isUnpublishable(topic: string, levels: readonly string[]): boolean {
  return topic.charCodeAt(0) === 0x24 && UNPUBLISHABLE.includes(levels[0] as string);
}

function isSameRule(a: ActionRule, b: ActionRule): boolean {
  return (
    a.filter === b.filter &&
    a.effect === b.effect &&
    a.maxQos === b.maxQos &&
    a.retain === b.retain &&
    a.maxAge === b.maxAge &&
    isSameList(a.actions, b.actions) &&
    isSameList(a.share, b.share)
  );
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((text, i) => text === b[i]));
}
