import { isAllowedText, pureTextCodec } from "@weir/protocol";
import { lookUpClaim } from "./claim-path.ts";

/** What the placeholders of a policy stand for, taken from the credential and the connection that uses it. */
export interface TemplateValues {
  readonly subject: string;
  readonly clientId: string;
  /** Absent for a JWT. */
  readonly tokenId?: string;
  /** The claims of a JWT, parsed; absent for an access token. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A topic filter in which levels may hold placeholders: `data/${subject}/x-${claims.area}/#`. */
export interface FilterTemplate {
  /** Each level is a sequence of literal texts and placeholders. */
  readonly levels: readonly (readonly TemplatePart[])[];
  /** The distinct placeholders in order of appearance, as they stand between `${` and `}`. */
  readonly placeholders: readonly string[];
}

type TemplatePart = { readonly literal: string } | { readonly placeholder: string };

/** Values longer than this make the entry fail closed; UTF-8 bytes. */
const MAX_TEMPLATE_VALUE_BYTES = 256;

const PLACEHOLDER = /\$\{([^{}]*)\}/g;
/** These would widen the filter or shift its levels. */
const SYNTAX = /[/+#]/;

/** Splits a topic filter into levels; a `/` inside a placeholder, as in `${claims.https://x/y}`, separates none. */
export function parseTemplate(topic: string): FilterTemplate {
  const levels: TemplatePart[][] = [[]];
  const placeholders = new Set<string>();
  let end = 0;
  for (const found of topic.matchAll(PLACEHOLDER)) {
    const placeholder = found[1] as string;
    addLiterals(levels, topic.slice(end, found.index));
    levels.at(-1)?.push({ placeholder });
    placeholders.add(placeholder);
    end = found.index + found[0].length;
  }
  addLiterals(levels, topic.slice(end));
  return { levels, placeholders: [...placeholders] };
}

/**
 * The topic filters that a template stands for, as split levels, at most `limit` of them: one, or one per element where
 * a claim is an array. Values that may not enter a filter fail closed (semantics.md §1.1): an allow entry then stands
 * for nothing, or not for that element; a deny entry stands for `+` in that level.
 *
 * @returns undefined if there are more than `limit`
 */
export function fillTemplate(
  template: FilterTemplate,
  values: TemplateValues,
  effect: "allow" | "deny",
  limit: number,
): readonly string[][] | undefined {
  let bindings: ReadonlyMap<string, string | undefined>[] = [new Map()];
  for (const placeholder of template.placeholders) {
    const choices = usableChoices(template, placeholder, values, effect);
    if (bindings.length * choices.length > limit) return undefined;
    bindings = bindings.flatMap((bound) => choices.map((choice) => new Map(bound).set(placeholder, choice)));
  }
  return bindings.length > limit
    ? undefined
    : bindings.map((bound) => template.levels.map((level) => fillLevel(level, bound)));
}

/** The filter with `+` in every level that has a placeholder: what a deny entry stands for when nothing is known. */
export function widenTemplate(template: FilterTemplate): string[] {
  return template.levels.map((level) => fillLevel(level, new Map()));
}

/** Whether a text may stand for a placeholder anywhere in a filter (semantics.md §1.1). */
export function isTemplateValue(text: string): boolean {
  return usableText(text, true) !== undefined;
}

/** Whether some entry depends on the client id, which only a credential that binds it may fill in (semantics.md §1.1). */
export function usesClientId(entries: readonly { readonly topic: string }[]): boolean {
  return entries.some((entry) => parseTemplate(entry.topic).placeholders.includes("clientId"));
}

function addLiterals(levels: TemplatePart[][], text: string): void {
  for (const [i, literal] of text.split("/").entries()) {
    if (i > 0) levels.push([]);
    if (literal !== "") levels.at(-1)?.push({ literal });
  }
}

/** `undefined` among the choices marks a value that only a deny entry keeps, as a wildcard. */
function usableChoices(
  template: FilterTemplate,
  placeholder: string,
  values: TemplateValues,
  effect: "allow" | "deny",
): readonly (string | undefined)[] {
  const found = lookUp(placeholder, values);
  const first = template.levels[0]?.[0];
  const isFirst = first !== undefined && "placeholder" in first && first.placeholder === placeholder;
  const texts = (Array.isArray(found) ? (found as readonly unknown[]) : [found]).map((value) =>
    usableText(value, isFirst),
  );
  return [...new Set(effect === "deny" ? texts : texts.filter((text) => text !== undefined))];
}

function fillLevel(level: readonly TemplatePart[], bound: ReadonlyMap<string, string | undefined>): string {
  let text = "";
  for (const part of level) {
    const piece = "literal" in part ? part.literal : bound.get(part.placeholder);
    if (piece === undefined) return "+";
    text += piece;
  }
  return text;
}

function lookUp(placeholder: string, values: TemplateValues): unknown {
  if (placeholder === "subject") return values.subject;
  if (placeholder === "clientId") return values.clientId;
  if (placeholder === "tokenId") return values.tokenId;
  return placeholder.startsWith("claims.")
    ? lookUpClaim(values.claims, placeholder.slice("claims.".length))
    : undefined;
}

/** Integers beyond 2^53-1 are refused: JSON parsing has rounded them onto a neighbour's number. */
function usableText(value: unknown, isFirst: boolean): string | undefined {
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string" || text === "") return undefined;
  if (isFirst && text.startsWith("$")) return undefined;
  if (text.length > MAX_TEMPLATE_VALUE_BYTES || pureTextCodec.byteLength(text) > MAX_TEMPLATE_VALUE_BYTES)
    return undefined;
  return SYNTAX.test(text) || !isAllowedText(text) ? undefined : text;
}
