import type { OAuthProvider } from "../core/access/oauth-provider.ts";
import type { NamedObject, NamedObjects } from "../core/objects/named-objects.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { tokenIdOf } from "./access-key.ts";
import { isFor, type OAuthRefusal } from "./oauth-claims.ts";
import { openKeySource, type ProviderKeySource } from "./provider-keys.ts";

/** A provider as of now, with its keys; another object after every change. */
export interface KnownProvider {
  readonly tenant: string;
  readonly object: NamedObject<OAuthProvider>;
  readonly keys: ProviderKeySource;
}

export interface ProviderDirectoryOptions {
  readonly objects: NamedObjects<OAuthProvider>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fetchJson: (url: string) => Promise<unknown>;
  /** What the tenant's providers accept may be less now. */
  readonly onChange: (tenant: string) => void;
}

/** The OAuth providers of all tenants, found by what a credential says of itself. */
export class ProviderDirectory {
  readonly #options: ProviderDirectoryOptions;
  readonly #byKey = new Map<string, KnownProvider>();
  readonly #byIssuer = new Map<string, Set<KnownProvider>>();

  constructor(options: ProviderDirectoryOptions) {
    this.#options = options;
  }

  /** Call when the objects are known. */
  start(): void {
    const { objects, onChange } = this.#options;
    for (const { tenant, object } of objects.all()) this.#replace(tenant, object.name, object);
    objects.onChange((tenant, name, _before, after) => {
      this.#replace(tenant, name, after);
      onChange(tenant);
    });
  }

  stop(): void {
    for (const { keys } of this.#byKey.values()) keys.stop();
  }

  get(tenant: string, name: string): KnownProvider | undefined {
    return this.#byKey.get(keyOf(tenant, name));
  }

  /** Whose JWT this is, by issuer and audience. One that several would take is nobody's. */
  find(issuer: unknown, audience: unknown): KnownProvider | OAuthRefusal {
    const ofIssuer = typeof issuer === "string" ? this.#byIssuer.get(issuer) : undefined;
    if (!ofIssuer) return "jwt-issuer";
    const found = [...ofIssuer].filter(({ object }) => isFor(object.value.audience, audience));
    if (found.length > 1) return "jwt-ambiguous";
    return found[0] ?? "jwt-audience";
  }

  /** Whom to ask about an opaque token; nobody is shown the key of an access token, valid or not. */
  findByPrefix(token: string): KnownProvider | undefined {
    if (tokenIdOf(token) !== undefined) return undefined;
    for (const known of this.#byKey.values()) {
      const { introspection } = known.object.value;
      if (introspection && token.startsWith(introspection.prefix)) return known;
    }
    return undefined;
  }

  /** What is wrong with their keys, in words. */
  get problems(): readonly string[] {
    const problems: string[] = [];
    for (const { tenant, object, keys } of this.#byKey.values()) {
      if (keys.problem !== undefined)
        problems.push(
          `the keys of the OAuth provider ${tenant}/${object.name} could not be read: ${keys.problem}`,
        );
    }
    return problems;
  }

  #replace(tenant: string, name: string, object: NamedObject<OAuthProvider> | undefined): void {
    const key = keyOf(tenant, name);
    const before = this.#byKey.get(key);
    if (before) this.#forget(key, before);
    const keepsKeys = before && object && hasSameKeys(before.object.value, object.value);
    if (!keepsKeys) before?.keys.stop();
    if (!object) return;
    const keys = keepsKeys ? before.keys : this.#openKeys(tenant, object.value);
    const known = { tenant, object, keys };
    this.#byKey.set(key, known);
    const ofIssuer = this.#byIssuer.get(object.value.issuer) ?? new Set();
    this.#byIssuer.set(object.value.issuer, ofIssuer.add(known));
  }

  #forget(key: string, known: KnownProvider): void {
    this.#byKey.delete(key);
    const { issuer } = known.object.value;
    const ofIssuer = this.#byIssuer.get(issuer);
    ofIssuer?.delete(known);
    if (ofIssuer?.size === 0) this.#byIssuer.delete(issuer);
  }

  #openKeys(tenant: string, { keys }: OAuthProvider): ProviderKeySource {
    const { clock, logger, fetchJson, onChange } = this.#options;
    return openKeySource(keys, { clock, logger, fetchJson, onGone: () => onChange(tenant) });
  }
}

function hasSameKeys(a: OAuthProvider, b: OAuthProvider): boolean {
  return JSON.stringify(a.keys) === JSON.stringify(b.keys);
}

function keyOf(tenant: string, name: string): string {
  return `${tenant}/${name}`;
}
