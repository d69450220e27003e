import type { Introspection, OAuthProvider, ProviderKeys } from "../core/access/oauth-provider.ts";
import type { NamedObject, NamedObjects } from "../core/objects/named-objects.ts";
import { AdminError } from "./admin-error.ts";
import type { ObjectKind } from "./object-admin.ts";
import { parseProvider, type ProviderDeclaration } from "./provider-declaration.ts";
import type { Caller } from "./scope.ts";

/** OAuth providers. No two of all tenants may take the same credential: it says which tenant its holder comes to. */
export function providerObjects(
  providers: Pick<NamedObjects<OAuthProvider>, "get" | "all">,
): ObjectKind<OAuthProvider> {
  return {
    path: "providers",
    noun: "provider",
    scope: "providers",
    parse(body, name, caller) {
      const present = providers.get(caller.tenant, name);
      const provider = parseProvider(body as ProviderDeclaration, present?.value, caller.tenant);
      requireOwnCredentials(provider, name, caller, providers.all());
      return provider;
    },
    present,
  };
}

function requireOwnCredentials(
  provider: OAuthProvider,
  name: string,
  { tenant }: Caller,
  all: Iterable<{ readonly tenant: string; readonly object: NamedObject<OAuthProvider> }>,
): void {
  for (const other of all) {
    if (other.tenant === tenant && other.object.name === name) continue;
    const { issuer, audience, introspection } = other.object.value;
    const shared = audience.find((one) => provider.audience.includes(one));
    if (issuer === provider.issuer && shared !== undefined) {
      throw new AdminError("conflict", `audience: another provider takes JWTs of this issuer for ${shared}`);
    }
    if (introspection && provider.introspection && prefixesMeet(introspection, provider.introspection)) {
      throw new AdminError("conflict", "introspection.prefix: another provider takes tokens that begin so");
    }
  }
}

function prefixesMeet(a: Introspection, b: Introspection): boolean {
  return a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix);
}

/** Never the HMAC key, nor the client secret of the introspection. */
function present({ id, value }: NamedObject<OAuthProvider>): Readonly<Record<string, unknown>> {
  const { keys, introspection, groupsClaim, clientIdClaim, requiredScope } = value;
  return {
    id,
    issuer: value.issuer,
    audience: value.audience,
    ...presentKeys(keys),
    algorithms: value.algorithms,
    clockSkew: value.clockSkewS,
    subjectClaim: value.subjectClaim,
    ...(groupsClaim !== undefined && { groupsClaim }),
    groupsFormat: value.groupsFormat,
    ...(clientIdClaim !== undefined && { clientIdClaim }),
    requiredClaims: value.requiredClaims,
    ...(requiredScope !== undefined && { requiredScope }),
    maxLifetime: value.maxLifetimeS,
    ...(introspection && { introspection: presentIntrospection(introspection) }),
    realm: value.realm ?? id,
  };
}

function presentKeys(keys: ProviderKeys): Readonly<Record<string, unknown>> {
  switch (keys.kind) {
    case "jwks":
      return { jwksUri: keys.uri, refreshInterval: keys.refreshIntervalS };
    case "static":
      return { keys: keys.keys };
    case "hmac":
      return { hasHmacKey: true };
    case "none":
      return {};
  }
}

function presentIntrospection({ endpoint, clientId, prefix, cacheS, timeoutS }: Introspection): object {
  return { endpoint, clientId, prefix, cache: cacheS, timeout: timeoutS };
}
