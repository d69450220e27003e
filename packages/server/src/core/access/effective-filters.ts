import { type Qos, splitLevels } from "@weir/protocol";
import { intersectLevels, levelsContain, levelsOverlap, longestForm } from "../topics/filter-intersection.ts";
import type { Rule, RuleSet } from "./rule-set.ts";

/** At most this many enter the subscription tree for one subscription (semantics.md §1.7). */
export const MAX_EFFECTIVE_FILTERS = 64;

/** A part of a requested filter that its owner may read, with the QoS it may be read at. */
export interface EffectiveFilter {
  readonly filter: string;
  readonly qos: Qos;
}

/** What a subscription grants. */
export interface EffectiveFilters {
  /** What enters the subscription tree; empty: the subscription is refused. */
  readonly filters: readonly EffectiveFilter[];
  /** Whether the requested filter is wider than what may be read, deny entries apart. */
  readonly narrowed: boolean;
  /**
   * Whether delivery asks the policy for each message, because a deny entry cuts into the filters or because they were
   * too many and the requested filter stands for them: delivered is then what {@link Policy.readQos} allows, at no more
   * than that QoS.
   */
  readonly checked: boolean;
}

interface Part {
  readonly levels: readonly string[];
  readonly qos: Qos;
}

const REFUSED: EffectiveFilters = { filters: [], narrowed: true, checked: false };

/** The intersection of a requested filter with what the allow rules permit and no deny rule takes away wholly. */
export function computeEffectiveFilters(
  requested: EffectiveFilter,
  allow: RuleSet,
  deny: RuleSet,
  limit: number,
): EffectiveFilters {
  const levels = splitLevels(requested.filter);
  const denies = deny.overlapping(levels);
  const parts = allowedParts({ levels, qos: requested.qos }, allow.overlapping(levels), denies);
  if (parts.length === 0) return REFUSED;
  const minimal = minimise(parts, limit);
  if (!minimal) return { filters: [standIn(requested.filter, parts)], narrowed: true, checked: true };
  return {
    filters: minimal.map((part) => ({ filter: part.levels.join("/"), qos: part.qos })),
    narrowed: !minimal.some((part) => levelsContain(part.levels, levels)),
    checked: denies.some((denied) => minimal.some((part) => levelsOverlap(denied.levels, part.levels))),
  };
}

/** Equal filters are merged under the highest QoS: the most generous entry counts (semantics.md §1.5). */
function allowedParts(requested: Part, allows: readonly Rule[], denies: readonly Rule[]): Part[] {
  const byFilter = new Map<string, Part>();
  for (const allow of allows) {
    const levels = intersectLevels(requested.levels, allow.levels);
    if (!levels || denies.some((deny) => levelsContain(deny.levels, levels))) continue;
    const qos = Math.min(requested.qos, allow.maxQos) as Qos;
    const key = levels.join("/");
    if (qos > (byFilter.get(key)?.qos ?? -1)) byFilter.set(key, { levels, qos });
  }
  return [...byFilter.values()];
}

/**
 * Drops what is contained in another part of at least its QoS.
 *
 * @returns undefined if more than `limit` remain
 */
function minimise(parts: Part[], limit: number): readonly Part[] | undefined {
  const kept: Part[] = [];
  for (const part of parts.sort(widestFirst)) {
    if (kept.some((wider) => wider.qos >= part.qos && levelsContain(wider.levels, part.levels))) continue;
    if (kept.length === limit) return undefined;
    kept.push(part);
  }
  return kept;
}

/** No part is contained in one that stands after it, unless both match the same topics and it has the higher QoS. */
function widestFirst(a: Part, b: Part): number {
  return (
    literalLevels(a.levels) - literalLevels(b.levels) ||
    leastTopicLevels(a.levels) - leastTopicLevels(b.levels) ||
    Number(isOpen(b.levels)) - Number(isOpen(a.levels)) ||
    b.qos - a.qos
  );
}

function literalLevels(levels: readonly string[]): number {
  let count = 0;
  for (const level of levels) if (level !== "+" && level !== "#") count++;
  return count;
}

/** How many levels a topic that the filter matches has at least. */
function leastTopicLevels(levels: readonly string[]): number {
  const form = longestForm(levels);
  return isOpen(form) ? form.length - 1 : form.length;
}

function isOpen(levels: readonly string[]): boolean {
  return levels[levels.length - 1] === "#";
}

function standIn(filter: string, parts: readonly Part[]): EffectiveFilter {
  return { filter, qos: Math.max(...parts.map((part) => part.qos)) as Qos };
}
