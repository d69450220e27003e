import type { Qos } from "@weir/protocol";
import { intersectLevels, levelsContain } from "../topics/filter-intersection.ts";
import { type ActionRule, Policy } from "./policy.ts";
import { MAX_POLICY_ENTRIES } from "./policy-entry.ts";

/**
 * What both policies allow and neither denies: what a made token may do under its template (semantics.md §1.11). It
 * fails closed where it would have more than {@link MAX_POLICY_ENTRIES} rules: allow rules that are too many are left out,
 * and with too many deny rules nothing is allowed.
 */
export function intersectPolicies(own: Policy, bound: Policy): Policy {
  const denies = [...own.rules, ...bound.rules].filter((rule) => rule.effect === "deny");
  if (denies.length > MAX_POLICY_ENTRIES) return Policy.nothing;
  const bounds = bound.rules.filter((rule) => rule.effect === "allow");
  const rules = [...denies];
  for (const rule of own.rules) {
    if (rule.effect === "deny") continue;
    for (const common of intersectRule(rule, bounds)) {
      if (rules.length === MAX_POLICY_ENTRIES) return new Policy(rules);
      rules.push(common);
    }
  }
  return new Policy(rules);
}

/** As a rule lies inside one of the bounds when it is written, that one is looked for first: the rest adds nothing. */
function intersectRule(rule: ActionRule, bounds: readonly ActionRule[]): readonly ActionRule[] {
  if (bounds.some((bound) => ruleContains(bound, rule))) return [rule];
  return bounds.map((bound) => commonRule(rule, bound)).filter((common) => common !== undefined);
}

function ruleContains(outer: ActionRule, inner: ActionRule): boolean {
  return (
    levelsContain(outer.levels, inner.levels) &&
    outer.maxQos >= inner.maxQos &&
    (outer.retain || !inner.retain) &&
    outer.maxAge >= inner.maxAge &&
    inner.actions.every((action) => outer.actions.includes(action)) &&
    inner.share.every((group) => outer.share.includes(group))
  );
}

function commonRule(a: ActionRule, b: ActionRule): ActionRule | undefined {
  const actions = a.actions.filter((action) => b.actions.includes(action));
  const levels = actions.length > 0 ? intersectLevels(a.levels, b.levels) : undefined;
  if (!levels) return undefined;
  return {
    effect: "allow",
    actions,
    filter: levels.join("/"),
    levels,
    maxQos: Math.min(a.maxQos, b.maxQos) as Qos,
    retain: a.retain && b.retain,
    share: a.share.filter((group) => b.share.includes(group)),
    maxAge: Math.min(a.maxAge, b.maxAge),
  };
}
