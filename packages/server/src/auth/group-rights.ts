import type { Scope } from "../core/access/access-token.ts";
import type { AuthorizationGroup, NamedPolicy } from "../core/access/authorization-group.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import { lowestLimits, type PrincipalLimits } from "../core/access/principal-limits.ts";
import type { NamedObjects } from "../core/objects/named-objects.ts";
import type { EffectivePolicy } from "./effective-policy.ts";

/** What groups give together: the union of their policies and scopes, and the lowest of their limits. */
export interface Rights {
  readonly entries: readonly PolicyEntry[];
  readonly limits: PrincipalLimits;
  readonly scopes: readonly Scope[];
}

export interface GroupRightsOptions {
  readonly groups: NamedObjects<AuthorizationGroup>;
  readonly policies: NamedObjects<NamedPolicy>;
  readonly effectivePolicy: EffectivePolicy;
}

/** Different sets of groups whose rights are remembered: many users have few of them. */
const MAX_REMEMBERED = 10_000;

const noEntries: readonly PolicyEntry[] = [];

/** What those may do in whose claims groups stand, as of now. The same groups get the same object until a change. */
export class GroupRights {
  readonly #options: GroupRightsOptions;
  /** By tenant, then by provider and value; made when it is asked for. */
  readonly #byTenant = new Map<string, Map<string, AuthorizationGroup[]>>();
  readonly #remembered = new Map<string, Rights>();

  constructor(options: GroupRightsOptions) {
    this.#options = options;
    options.policies.onChange(() => this.#remembered.clear());
    options.groups.onChange((tenant) => {
      this.#byTenant.delete(tenant);
      this.#remembered.clear();
    });
  }

  /** @param values what the provider's groups claim says */
  of(tenant: string, provider: string, values: readonly string[]): Rights {
    const key = JSON.stringify([tenant, provider, values]);
    const known = this.#remembered.get(key);
    if (known) return known;
    const rights = this.#rightsOf(tenant, provider, values);
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(key, rights);
    return rights;
  }

  #rightsOf(tenant: string, provider: string, values: readonly string[]): Rights {
    const index = this.#byTenant.get(tenant) ?? this.#index(tenant);
    const groups = [...new Set(values)].flatMap((value) => index.get(keyOf(provider, value)) ?? []);
    const policies = [...new Set(groups.flatMap((group) => group.policies))].sort();
    return {
      entries: this.#options.effectivePolicy.entriesOf({ tenant, acl: noEntries, policies }),
      limits: lowestLimits(groups.map(({ limits }) => limits)),
      scopes: [...new Set(groups.flatMap(({ scopes }) => scopes))],
    };
  }

  #index(tenant: string): Map<string, AuthorizationGroup[]> {
    const index = new Map<string, AuthorizationGroup[]>();
    for (const { value: group } of this.#options.groups.list(tenant, undefined, Infinity)) {
      const key = keyOf(group.provider, group.value);
      const present = index.get(key);
      if (present) present.push(group);
      else index.set(key, [group]);
    }
    this.#byTenant.set(tenant, index);
    return index;
  }
}

/** No provider's name holds a slash. */
function keyOf(provider: string, value: string): string {
  return `${provider}/${value}`;
}
