import { levelsContain } from "../topics/filter-intersection.ts";
import { isTemplateValue, parseTemplate } from "./template.ts";
import type { PolicyAction, PolicyEntry } from "./policy-entry.ts";
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

/**
 * Whether the entry of a token for `subject` gives nothing that the template's entry does not: the same or fewer topics,
 * actions and share groups, at most its QoS, retained only where it has that. For allow entries.
 *
 * `${subject}` stands for the subject on both sides. Any other placeholder counts as `+` where it is asked for, and as
 * nothing in the template, except where both have it in the same level: they will be filled with the same value.
 */
function isEntryWithin(asked: PolicyEntry, template: PolicyEntry, subject: string): boolean {
  return (
    template.effect !== "deny" &&
    asked.actions.every((action) => template.actions.includes(action)) &&
    areBoundsWithin(asked, template) &&
    isTopicWithin(asked.topic, template.topic, subject)
  );
}

/** The place in `acl` of the first allow entry that lies inside no single entry of the template; undefined: all do. */
export function findEntryOutside(
  acl: readonly PolicyEntry[],
  template: readonly PolicyEntry[],
  subject: string,
): number | undefined {
  const at = acl.findIndex(
    (asked) => asked.effect !== "deny" && !template.some((entry) => isEntryWithin(asked, entry, subject)),
  );
  return at < 0 ? undefined : at;
}

function areBoundsWithin(asked: PolicyEntry, template: PolicyEntry): boolean {
  const concerns = (action: PolicyAction): boolean => asked.actions.includes(action);
  if ((asked.maxQos ?? 2) > (template.maxQos ?? 2)) return false;
  if (concerns("publish") && (asked.retain ?? true) && !(template.retain ?? true)) return false;
  if (concerns("replay") && (asked.maxAge ?? Infinity) > (template.maxAge ?? Infinity)) return false;
  return (asked.share ?? []).every((group) => template.share?.includes(group));
}

function isTopicWithin(asked: string, template: string, subject: string): boolean {
  const outer = levelsFor(template, subject);
  const inner = levelsFor(asked, subject);
  if (!outer || !inner) return false;
  const widened = inner.map((level, i) => (level.includes(MARK) && level !== outer[i] ? "+" : level));
  return levelsContain(outer, widened);
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
