import { levelsContain } from "../topics/filter-intersection.ts";
import { isTemplateValue, parseTemplate } from "./template.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import type { PrincipalLimits } from "./principal-limits.ts";

/** What the tokens may be that a minting token makes (semantics.md §1.11). */
export interface MintTemplate {
  /** Each allow entry of a made token lies inside one of these; the deny entries hold for all of them. */
  readonly acl: readonly PolicyEntry[];
  /** Globs with `*`; a made token's subject matches one of them. */
  readonly subjects: readonly string[];
  /** Globs; empty: any. */
  readonly clientIds: readonly string[];
  /** Seconds; undefined: any. */
  readonly maxTtlS: number | undefined;
  /** Seconds from when `expiresAt` is set; undefined: any. */
  readonly maxExpiresInS: number | undefined;
  /** Of those that exist at one time. */
  readonly maxTokens: number;
  readonly limits: PrincipalLimits;
  /** Globs; empty: any. */
  readonly origins: readonly string[];
  /** CIDR; empty: any. */
  readonly networks: readonly string[];
}

/** What a template without `maxTokens` allows. */
export const DEFAULT_MAX_MINTED_TOKENS = 100_000;
/** A made token's rights are computed from each pair of its entries and these. */
export const MAX_MINT_ENTRIES = 100;

/** Stands in a level for a placeholder that is not known yet; no topic holds it. */
const MARK = "\0";

/** An entry with its topic in levels; undefined: it needs a subject that can stand in no topic. */
interface LevelledEntry {
  readonly entry: PolicyEntry;
  readonly levels: readonly string[] | undefined;
}

/**
 * The place in `acl` of the first allow entry that lies inside no single entry of the template; undefined: all do. Inside
 * means that it gives nothing which the template's entry does not: the same or fewer topics, actions and share groups, at
 * most its QoS, retained only where it has that, replayed from no further back.
 *
 * `${subject}` stands for the subject on both sides. Any other placeholder counts as `+` where it is asked for, and as
 * nothing in the template, except where both have it in the same level: they will be filled with the same value.
 */
export function findEntryOutside(
  acl: readonly PolicyEntry[],
  template: readonly PolicyEntry[],
  subject: string,
): number | undefined {
  const bounds = template.filter(isAllow).map((entry) => levelled(entry, subject));
  const at = acl.findIndex((entry) => {
    const asked = isAllow(entry) ? levelled(entry, subject) : undefined;
    return asked && !bounds.some((bound) => isWithin(asked, bound));
  });
  return at < 0 ? undefined : at;
}

function isAllow({ effect }: PolicyEntry): boolean {
  return effect !== "deny";
}

function levelled(entry: PolicyEntry, subject: string): LevelledEntry {
  return { entry, levels: levelsFor(entry.topic, subject) };
}

function isWithin(asked: LevelledEntry, bound: LevelledEntry): boolean {
  return areTopicsWithin(asked.levels, bound.levels) && areBoundsWithin(asked.entry, bound.entry);
}

function areTopicsWithin(
  inner: readonly string[] | undefined,
  outer: readonly string[] | undefined,
): boolean {
  if (!inner || !outer) return false;
  const isOpen = inner.some((level) => level.includes(MARK));
  const widened = isOpen ? inner.map((level, i) => widen(level, outer[i])) : inner;
  return levelsContain(outer, widened);
}

/** What is not known yet may be anything, unless it will be the same on both sides. */
function widen(level: string, outer: string | undefined): string {
  return level.includes(MARK) && level !== outer ? "+" : level;
}

function areBoundsWithin(asked: PolicyEntry, bound: PolicyEntry): boolean {
  if (!asked.actions.every((action) => bound.actions.includes(action))) return false;
  if ((asked.maxQos ?? 2) > (bound.maxQos ?? 2)) return false;
  const mayRetain = asked.actions.includes("publish") && (asked.retain ?? true);
  if (mayRetain && !(bound.retain ?? true)) return false;
  if (asked.actions.includes("replay") && (asked.maxAge ?? Infinity) > (bound.maxAge ?? Infinity))
    return false;
  return (asked.share ?? []).every((group) => bound.share?.includes(group));
}

/** Undefined: it needs a subject that can stand in no topic. */
function levelsFor(topic: string, subject: string): readonly string[] | undefined {
  const template = parseTemplate(topic);
  if (template.placeholders.includes("subject") && !isTemplateValue(subject)) return undefined;
  return template.levels.map((level) =>
    level
      .map((part) => {
        if ("literal" in part) return part.literal;
        return part.placeholder === "subject" ? subject : `${MARK}${part.placeholder}${MARK}`;
      })
      .join(""),
  );
}
