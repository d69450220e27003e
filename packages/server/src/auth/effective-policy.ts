import type { NamedPolicy } from "../core/access/authorization-group.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import type { NamedObject } from "../core/objects/named-objects.ts";

/** Who has entries: an access token, or a JWT by its groups. */
export interface PolicyHolder {
  readonly tenant: string;
  readonly acl: readonly PolicyEntry[];
  /** Names. */
  readonly policies: readonly string[];
}

export interface EffectivePolicyOptions {
  policyOf(tenant: string, name: string): NamedObject<NamedPolicy> | undefined;
}

/** Unions that are kept to be shared; each holds no more than references. */
const MAX_UNIONS = 10_000;

const noEntries: readonly PolicyEntry[] = [];

/**
 * What a principal may do: its own entries and those of the policies that it names. Equal holders get the same list, so that what is compiled from it can be shared, and whether anything has
 * changed is told by comparing two references.
 */
export class EffectivePolicy {
  readonly #options: EffectivePolicyOptions;
  /** By what went into them. */
  readonly #unions = new Map<string, readonly PolicyEntry[]>();
  /** By own entries, with what they were united with: there is one for each token. */
  readonly #own = new WeakMap<readonly PolicyEntry[], { key: string; entries: readonly PolicyEntry[] }>();

  constructor(options: EffectivePolicyOptions) {
    this.#options = options;
  }

  /**
   * As of now. Who names a policy that is not there may do nothing: a deny entry may have stood in it.
   */
  entriesOf(holder: PolicyHolder): readonly PolicyEntry[] {
    return holder.policies.length === 0 ? holder.acl : this.#union(holder);
  }

  #union({ tenant, acl, policies }: PolicyHolder): readonly PolicyEntry[] {
    const found = policies.map((name) => this.#options.policyOf(tenant, name));
    if (found.includes(undefined)) return noEntries;
    const objects = found as NamedObject<NamedPolicy>[];
    const key = objects.map(({ id, version }) => `${id} ${version}`).join(",");
    if (acl.length === 0) return this.#shared(key, objects);
    const known = this.#own.get(acl);
    if (known?.key === key) return known.entries;
    const entries = [...acl, ...this.#shared(key, objects)];
    this.#own.set(acl, { key, entries });
    return entries;
  }

  #shared(key: string, objects: readonly NamedObject<NamedPolicy>[]): readonly PolicyEntry[] {
    const known = this.#unions.get(key);
    if (known) return known;
    const only = objects.length === 1 ? objects[0] : undefined;
    const entries = only ? only.value.entries : objects.flatMap(({ value }) => value.entries);
    if (this.#unions.size >= MAX_UNIONS) this.#unions.clear();
    this.#unions.set(key, entries);
    return entries;
  }
}
