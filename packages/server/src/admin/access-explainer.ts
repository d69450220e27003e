import { isTopicFilter, isTopicName, type Qos, splitLevels } from "@weir/protocol";
import { type ActionRule, compilePolicy } from "../core/access/policy.ts";
import type { PolicyAction, PolicyEntry } from "../core/access/policy-entry.ts";
import type { Principal } from "../core/access/principal.ts";
import type { TemplateValues } from "../core/access/template.ts";
import { intersectLevels } from "../core/topics/filter-intersection.ts";
import { AdminError } from "./admin-error.ts";
import type { EntrySource, EntrySources } from "./entry-sources.ts";
import type { PrincipalSource } from "./principal-source.ts";
import { type Caller, requireScope } from "./scope.ts";

/** Why does this user (not) see this? */
export interface AccessQuestion {
  /** The id of an access token. */
  readonly tokenId?: string;
  readonly provider?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly clientId?: string;
  readonly action: PolicyAction;
  /** A topic; for `subscribe` a topic filter. */
  readonly topic: string;
  readonly qos?: Qos;
  readonly retain?: boolean;
}

export interface AccessAnswer {
  readonly allowed: boolean;
  /** In words. */
  readonly reason: string;
  /** What decided: denies, or the entries that allow it. */
  readonly entries: readonly DecidingEntry[];
  /** For `subscribe`: what of the filter would be delivered. */
  readonly effective?: readonly string[];
}

export interface DecidingEntry {
  readonly entry: PolicyEntry;
  readonly from: string;
  /** With its placeholders filled in. */
  readonly filters: readonly string[];
}

interface Verdict {
  readonly allowed: boolean;
  readonly reason: string;
  readonly effective?: readonly string[];
}

interface Concerned extends DecidingEntry {
  readonly isDeny: boolean;
  readonly isBound: boolean;
}

const MAX_TOPIC = { maxBytes: 65_535, maxLevels: 65_535 };

export interface AccessExplainerOptions {
  readonly principals: PrincipalSource;
  readonly sources: EntrySources;
}

/** Answers questions about access by the same policy that decides, and names the entries; needs the scope `policies`. */
export class AccessExplainer {
  readonly #options: AccessExplainerOptions;

  constructor(options: AccessExplainerOptions) {
    this.#options = options;
  }

  /** @throws {AdminError} */
  explain(caller: Caller, question: AccessQuestion): AccessAnswer {
    requireScope(caller, "policies");
    requireTopic(question);
    const { tokenId, provider, claims, clientId = "" } = question;
    const holder = {
      ...(tokenId !== undefined && { token: tokenId }),
      ...(provider !== undefined && { provider }),
      ...(claims && { claims }),
    };
    const principal = this.#options.principals.principalOf(caller.tenant, holder, clientId);
    const concerned = this.#options.sources
      .of(principal)
      .flatMap((source) => concernedEntries(source, principal, question));
    const verdict = verdictOf(principal, question);
    return { ...verdict, entries: decidingOf(concerned, verdict.allowed).map(shown) };
  }
}

function requireTopic({ action, topic }: AccessQuestion): void {
  const isGood = action === "subscribe" ? isTopicFilter(topic, MAX_TOPIC) : isTopicName(topic, MAX_TOPIC);
  if (isGood) return;
  throw new AdminError("invalid", `topic: is no topic ${action === "subscribe" ? "filter" : "name"}`);
}

function verdictOf(principal: Principal, question: AccessQuestion): Verdict {
  const { topic, qos = 0, retain = false } = question;
  const levels = splitLevels(topic);
  switch (question.action) {
    case "publish":
      return publishVerdict(principal.policy.checkPublish(topic, levels, qos, retain));
    case "replay":
      return replayVerdict(principal.policy.replayMaxAge(topic, levels));
    case "subscribe":
      return subscribeVerdict(principal, topic, question.qos ?? 2);
  }
}

function publishVerdict(verdict: "allowed" | "denied" | "qos" | "retain"): Verdict {
  const reasons = {
    allowed: "an entry allows it and none denies it",
    denied: "no entry allows it, or one denies it",
    qos: "an entry allows the topic, but not at this QoS",
    retain: "an entry allows the topic, but not to retain",
  };
  return { allowed: verdict === "allowed", reason: reasons[verdict] };
}

function replayVerdict(maxAgeS: number | undefined): Verdict {
  if (maxAgeS === undefined)
    return { allowed: false, reason: "nothing allows to replay and to read it, or an entry denies it" };
  const bound = maxAgeS === Infinity ? "" : `, as far as messages are not older than ${maxAgeS} s`;
  return { allowed: true, reason: `entries allow to replay and to read it${bound}` };
}

function subscribeVerdict({ policy }: Principal, filter: string, qos: Qos): Verdict {
  const { filters, narrowed, checked } = policy.effectiveFilters(filter, qos);
  const effective = filters.map((granted) => granted.filter);
  if (effective.length === 0)
    return { allowed: false, reason: "no entry allows to read any of it", effective };
  const reason = narrowed ? "as far as the effective filters go" : "all of it";
  const lessDenied = checked ? ", less what entries deny" : "";
  return { allowed: true, reason: `${reason}${lessDenied}`, effective };
}

/** Each of the source's entries alone, with its placeholders filled in, as far as it is about the question. */
function concernedEntries(
  { from, entries, isBound }: EntrySource,
  principal: Principal,
  { action, topic }: AccessQuestion,
): Concerned[] {
  const levels = splitLevels(topic);
  const found: Concerned[] = [];
  for (const entry of entries) {
    const rules = compilePolicy([entry], valuesOf(principal)).rules;
    const matching = rules.filter((rule) => concerns(rule, action, levels));
    if (matching.length === 0) continue;
    const filters = matching.map((rule) => rule.filter);
    found.push({ entry, from, filters, isDeny: entry.effect === "deny", isBound });
  }
  return found;
}

/** A topic name is a filter that matches itself alone. */
function concerns({ actions, levels }: ActionRule, action: PolicyAction, asked: readonly string[]): boolean {
  const isAbout = actions.includes(action) || (action === "replay" && actions.includes("subscribe"));
  return isAbout && intersectLevels(asked, levels) !== undefined;
}

function valuesOf({ identity, clientId, tokenId, claims }: Principal): TemplateValues {
  const { subject } = identity;
  return {
    subject,
    clientId,
    ...(tokenId !== undefined && { tokenId }),
    ...(claims && { claims }),
  };
}

/** A deny is what decided, if there is one; else what allows it, or would if its bounds or its template let it. */
function decidingOf(concerned: readonly Concerned[], allowed: boolean): readonly Concerned[] {
  const denies = concerned.filter(({ isDeny }) => isDeny);
  if (!allowed && denies.length > 0) return denies;
  return concerned;
}

function shown({ entry, from, filters }: Concerned): DecidingEntry {
  return { entry, from, filters };
}
