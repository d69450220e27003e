import { compilePolicy, type Policy } from "../core/access/policy.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import { lookUpClaim } from "../core/access/claim-path.ts";
import { parseTemplate, type TemplateValues } from "../core/access/template.ts";

interface Form {
  readonly placeholders: readonly string[];
  /** By what the placeholders stand for. */
  readonly policies: Map<string, Policy>;
}

/** Of one list of entries; a policy that is not found is compiled again. */
const MAX_POLICIES = 256;

const forms = new WeakMap<readonly PolicyEntry[], Form>();

/**
 * The policy of a list of entries for one principal. Principals with the same list share it where they differ in
 * nothing that its placeholders stand for, and need not even look at the entries.
 */
export function compiledPolicy(entries: readonly PolicyEntry[], values: TemplateValues): Policy {
  let form = forms.get(entries);
  if (!form) forms.set(entries, (form = formOf(entries)));
  const key = form.placeholders.length === 0 ? "" : keyOf(form.placeholders, values);
  const known = form.policies.get(key);
  if (known) return known;
  const policy = compilePolicy(entries, values);
  if (form.policies.size >= MAX_POLICIES) form.policies.clear();
  form.policies.set(key, policy);
  return policy;
}

function formOf(entries: readonly PolicyEntry[]): Form {
  const placeholders = new Set(entries.flatMap(({ topic }) => parseTemplate(topic).placeholders));
  return { placeholders: [...placeholders], policies: new Map() };
}

function keyOf(placeholders: readonly string[], values: TemplateValues): string {
  return JSON.stringify(placeholders.map((placeholder) => valueOf(placeholder, values) ?? null));
}

function valueOf(placeholder: string, values: TemplateValues): unknown {
  if (placeholder === "subject") return values.subject;
  if (placeholder === "clientId") return values.clientId;
  if (placeholder === "tokenId") return values.tokenId;
  return lookUpClaim(values.claims, placeholder.slice("claims.".length));
}
