import type { Scope } from "../core/access/access-token.ts";
import type { AuthorizationGroup, NamedPolicy } from "../core/access/authorization-group.ts";
import type { OAuthProvider } from "../core/access/oauth-provider.ts";
import { usesClientId } from "../core/access/template.ts";
import type { NamedObject } from "../core/objects/named-objects.ts";
import { AdminError } from "./admin-error.ts";
import { declareLimits, type LimitsDeclaration, parseLimits } from "./limits-declaration.ts";
import type { ObjectKind } from "./object-admin.ts";
import { type Caller, hasScope } from "./scope.ts";

interface GroupDeclaration {
  readonly provider: string;
  readonly value: string;
  readonly policies?: readonly string[];
  readonly limits?: LimitsDeclaration;
  readonly scopes?: readonly string[];
}

/** What a group refers to. */
export interface GroupReferences {
  policyOf(tenant: string, name: string): NamedObject<NamedPolicy> | undefined;
  providerOf(tenant: string, name: string): NamedObject<OAuthProvider> | undefined;
}

/** Scopes that are power over every topic; `admin` alone gives them. */
const POWERFUL: readonly Scope[] = ["admin", "tokens", "policies", "providers"];

/** Authorization groups. */
export function groupObjects(references: GroupReferences): ObjectKind<AuthorizationGroup> {
  return {
    path: "groups",
    noun: "group",
    scope: "policies",
    parse(body, _name, caller) {
      const { provider, value, policies = [], limits = {}, scopes = [] } = body as GroupDeclaration;
      const group = {
        provider,
        value,
        policies: [...new Set(policies)],
        limits: parseLimits(limits),
        scopes: [...new Set(scopes)] as Scope[],
      };
      requireOwnScopes(caller, group.scopes);
      requireReferences(group, caller.tenant, references);
      return group;
    },
    present({ value: { provider, value, policies, limits, scopes } }) {
      return { provider, value, policies, limits: declareLimits(limits), scopes };
    },
  };
}

/** Nobody gives a scope that they lack. */
function requireOwnScopes(caller: Caller, scopes: readonly Scope[]): void {
  const lacking = scopes.find(
    (scope) => !hasScope(caller, scope) || (POWERFUL.includes(scope) && !hasScope(caller, "admin")),
  );
  if (lacking === undefined) return;
  throw new AdminError("scope", `scopes: the credential may not give the scope ${lacking}`);
}

/** A group that names what is not there would let nobody do anything, and nobody would see why. */
function requireReferences(group: AuthorizationGroup, tenant: string, references: GroupReferences): void {
  const provider = references.providerOf(tenant, group.provider);
  if (!provider) throw new AdminError("invalid", `provider: there is no provider ${group.provider}`);
  for (const [i, name] of group.policies.entries()) {
    const policy = references.policyOf(tenant, name);
    if (!policy) throw new AdminError("invalid", `policies[${i}]: there is no policy ${name}`);
    if (provider.value.clientIdClaim === undefined && usesClientId(policy.value.entries)) {
      throw new AdminError(
        "invalid",
        `policies[${i}]: ${name} uses \${clientId}, so the provider needs a clientIdClaim: else clients choose whose data they read`,
      );
    }
  }
}
