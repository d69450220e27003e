import type { NamedPolicy } from "../core/access/authorization-group.ts";
import { type PolicyEntry, PolicyEntryError, parsePolicyEntries } from "../core/access/policy-entry.ts";
import { usesClientId } from "../core/access/template.ts";
import { AdminError } from "./admin-error.ts";
import type { ObjectKind } from "./object-admin.ts";

interface PolicyDeclaration {
  readonly entries: readonly unknown[];
}

/**
 * Named policies.
 *
 * @param unboundHolder who names the policy without being bound to a client id, in words; undefined: nobody
 */
export function policyObjects(
  unboundHolder: (tenant: string, policy: string) => string | undefined,
): ObjectKind<NamedPolicy> {
  return {
    path: "policies",
    noun: "policy",
    scope: "policies",
    parse(body, name, { tenant }) {
      const entries = parseEntries((body as PolicyDeclaration).entries);
      const holder = usesClientId(entries) ? unboundHolder(tenant, name) : undefined;
      if (holder === undefined) return { entries };
      throw new AdminError(
        "invalid",
        `entries: use \${clientId}, but ${holder}, which names this policy, lets its client choose its client id`,
      );
    },
    present: ({ value }) => ({ entries: value.entries }),
  };
}

function parseEntries(entries: readonly unknown[]): PolicyEntry[] {
  try {
    return parsePolicyEntries(entries, "entries");
  } catch (error) {
    if (error instanceof PolicyEntryError) throw new AdminError("invalid", error.message);
    throw error;
  }
}
