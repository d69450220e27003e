import type { AuthorizationGroup } from "../core/access/authorization-group.ts";
import type { NamedObject, NamedObjects } from "../core/objects/named-objects.ts";

type Group = NamedObject<AuthorizationGroup>;

/** Authorization groups by what a provider calls them. */
export class GroupIndex {
  readonly #groups: NamedObjects<AuthorizationGroup>;
  /** By tenant, then provider and value; made when it is asked for. */
  readonly #byTenant = new Map<string, Map<string, Group[]>>();

  constructor(groups: NamedObjects<AuthorizationGroup>) {
    this.#groups = groups;
    groups.onChange((tenant) => this.#byTenant.delete(tenant));
  }

  /** The tenant's groups of somebody in whose claims these values stand. */
  groupsOf(tenant: string, provider: string, values: readonly string[]): readonly AuthorizationGroup[] {
    const groups = this.#byTenant.get(tenant) ?? this.#index(tenant);
    return [...new Set(values)].flatMap((value) =>
      (groups.get(keyOf(provider, value)) ?? []).map((group) => group.value),
    );
  }

  #index(tenant: string): Map<string, Group[]> {
    const index = new Map<string, Group[]>();
    for (const group of this.#groups.list(tenant, undefined, Infinity)) {
      const key = keyOf(group.value.provider, group.value.value);
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
