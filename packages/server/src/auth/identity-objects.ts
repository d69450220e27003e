import type { Scope } from "../core/access/access-token.ts";
import type { AuthorizationGroup, NamedPolicy } from "../core/access/authorization-group.ts";
import type { Introspection, OAuthProvider, ProviderKeys } from "../core/access/oauth-provider.ts";
import { parsePolicyEntries } from "../core/access/policy-entry.ts";
import type { Revocation, RevocationSelector } from "../core/access/revocation.ts";
import { NamedObjects } from "../core/objects/named-objects.ts";
import type { Clock } from "../core/ports/clock.ts";
import type { Kv, Plain } from "../core/ports/engine.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { decodeLimits } from "./mint-record.ts";
import { numberIn, objectIn, optionalStringIn, stringIn, stringsIn } from "./stored-fields.ts";

export interface IdentityObjectsOptions {
  /** The engine's buckets by name. */
  readonly kv: (bucket: string) => Kv;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly randomId: () => string;
}

const MAX_POLICIES = 10_000;
const MAX_GROUPS = 10_000;
const MAX_PROVIDERS = 100;
const MAX_REVOCATIONS = 10_000;

/** What rights are made of besides the tokens: named policies, groups, OAuth providers, and what was revoked. */
export class IdentityObjects {
  readonly policies: NamedObjects<NamedPolicy>;
  readonly groups: NamedObjects<AuthorizationGroup>;
  readonly providers: NamedObjects<OAuthProvider>;
  readonly revocations: NamedObjects<Revocation>;

  constructor({ kv, ...shared }: IdentityObjectsOptions) {
    this.policies = new NamedObjects({
      ...shared,
      kv: kv("policies"),
      maxPerTenant: MAX_POLICIES,
      encode: encodePolicy,
      decode: decodePolicy,
    });
    this.groups = new NamedObjects({
      ...shared,
      kv: kv("groups"),
      maxPerTenant: MAX_GROUPS,
      encode: (group) => withoutAbsent({ ...group, limits: withoutAbsent({ ...group.limits }) }),
      decode: decodeGroup,
    });
    this.providers = new NamedObjects({
      ...shared,
      kv: kv("providers"),
      maxPerTenant: MAX_PROVIDERS,
      encode: (provider) => withoutAbsent(provider as unknown as PlainObject),
      decode: decodeProvider,
    });
    this.revocations = new NamedObjects({
      ...shared,
      kv: kv("revocations"),
      maxPerTenant: MAX_REVOCATIONS,
      encode: (revocation) => revocation as unknown as Plain,
      decode: decodeRevocation,
    });
  }

  /** Resolves when all of them are known. */
  async open(): Promise<void> {
    await Promise.all(this.#all.map((objects) => objects.open()));
  }

  /** Removes all of a tenant that is gone. Rejects with EngineError. */
  async deleteAll(tenant: string): Promise<void> {
    for (const objects of this.#all) await objects.deleteAll(tenant);
  }

  close(): void {
    for (const objects of this.#all) objects.close();
  }

  get #all(): readonly Pick<NamedObjects<unknown>, "open" | "deleteAll" | "close">[] {
    return [this.providers, this.groups, this.policies, this.revocations];
  }
}

type PlainObject = { readonly [name: string]: Plain };

/** Some stores keep `undefined` as another value. */
function withoutAbsent(object: PlainObject): PlainObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function encodePolicy({ entries }: NamedPolicy): Plain {
  return { entries: entries.map((entry) => ({ ...entry })) };
}

function decodePolicy(value: Plain): NamedPolicy {
  return { entries: parsePolicyEntries(objectIn(value)["entries"], "entries") };
}

function decodeGroup(value: Plain): AuthorizationGroup {
  const stored = objectIn(value);
  return {
    provider: stringIn(stored, "provider"),
    value: stringIn(stored, "value"),
    policies: stringsIn(stored, "policies"),
    limits: decodeLimits(stored["limits"]),
    scopes: stringsIn(stored, "scopes") as readonly Scope[],
  };
}

function decodeProvider(value: Plain): OAuthProvider {
  const stored = objectIn(value);
  const introspection = stored["introspection"];
  return {
    issuer: stringIn(stored, "issuer"),
    audience: stringsIn(stored, "audience"),
    keys: objectIn(stored["keys"]) as unknown as ProviderKeys,
    algorithms: stringsIn(stored, "algorithms") as OAuthProvider["algorithms"],
    clockSkewS: numberIn(stored, "clockSkewS") ?? 0,
    subjectClaim: stringIn(stored, "subjectClaim"),
    groupsClaim: optionalStringIn(stored, "groupsClaim"),
    groupsFormat: stringIn(stored, "groupsFormat") as OAuthProvider["groupsFormat"],
    clientIdClaim: optionalStringIn(stored, "clientIdClaim"),
    requiredClaims: objectIn(stored["requiredClaims"]),
    requiredScope: optionalStringIn(stored, "requiredScope"),
    maxLifetimeS: numberIn(stored, "maxLifetimeS") ?? 0,
    introspection: introspection == null ? undefined : (objectIn(introspection) as unknown as Introspection),
    realm: optionalStringIn(stored, "realm"),
  };
}

function decodeRevocation(value: Plain): Revocation {
  const stored = objectIn(value);
  return {
    realm: stringIn(stored, "realm"),
    selector: objectIn(stored["selector"]) as unknown as RevocationSelector,
    notBeforeMs: numberIn(stored, "notBeforeMs") ?? 0,
    untilMs: numberIn(stored, "untilMs") ?? 0,
  };
}
