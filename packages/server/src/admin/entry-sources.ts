import type { AccessTokens } from "../core/access/access-token.ts";
import type { AuthorizationGroup, NamedPolicy } from "../core/access/authorization-group.ts";
import type { PolicyEntry } from "../core/access/policy-entry.ts";
import type { Principal } from "../core/access/principal.ts";
import type { NamedObjects } from "../core/objects/named-objects.ts";

/** Entries, and where they stand. */
export interface EntrySource {
  /** `acl`, `policy {name}`, `policy {name} of group {name}`, `template of {id of the minting token}`. */
  readonly from: string;
  readonly entries: readonly PolicyEntry[];
  /** It bounds the others and gives nothing itself (semantics.md §1.11). */
  readonly isBound: boolean;
}

export interface EntrySourcesOptions {
  readonly tokens: Pick<AccessTokens, "get">;
  readonly policies: Pick<NamedObjects<NamedPolicy>, "get">;
  readonly groups: Pick<NamedObjects<AuthorizationGroup>, "list">;
}

/** Where the rights of a principal come from, as of now. */
export class EntrySources {
  readonly #options: EntrySourcesOptions;

  constructor(options: EntrySourcesOptions) {
    this.#options = options;
  }

  of(principal: Principal): readonly EntrySource[] {
    return principal.tokenId === undefined
      ? this.#ofGroups(principal)
      : this.#ofToken(principal.tenant, principal.tokenId);
  }

  #ofToken(tenant: string, tokenId: string): readonly EntrySource[] {
    const token = this.#options.tokens.get(tokenId);
    if (!token) return [];
    const own = { from: "acl", entries: token.acl, isBound: false };
    const named = token.policies.map((name) => this.#policy(tenant, name, `policy ${name}`));
    const { origin, mintedBy = "" } = token;
    const template = origin.kind === "kept" ? origin.template : this.#minterTemplate(origin.kind, mintedBy);
    if (!template) return [own, ...named];
    return [own, ...named, { from: `template of ${mintedBy}`, entries: template.acl, isBound: true }];
  }

  #minterTemplate(kind: "free" | "minted", mintedBy: string) {
    return kind === "minted" ? this.#options.tokens.get(mintedBy)?.mint : undefined;
  }

  #ofGroups({ tenant, provider, groups = [] }: Principal): readonly EntrySource[] {
    return this.#options.groups
      .list(tenant, undefined, Infinity)
      .filter(({ value }) => value.provider === provider && groups.includes(value.value))
      .flatMap(({ name: group, value }) =>
        value.policies.map((name) => this.#policy(tenant, name, `policy ${name} of group ${group}`)),
      );
  }

  #policy(tenant: string, name: string, from: string): EntrySource {
    const entries = this.#options.policies.get(tenant, name)?.value.entries;
    return entries
      ? { from, entries, isBound: false }
      : { from: `${from}, which is not there`, entries: [], isBound: false };
  }
}
