import type { Caller as Credential, Scope } from "../core/access/access-token.ts";
import { SYSTEM_TENANT } from "../core/access/tenant-book.ts";
import { AdminError } from "./admin-error.ts";

/** Who calls a use case, for which tenant, and from where. */
export interface Caller extends Credential {
  /** Whose things the call is about: the credential's own, or another that an admin of the system names. */
  readonly tenant: string;
  /** As far as it is known. */
  readonly address: string;
}

/** `admin` includes every other but `tenants`, which is about the whole system: of another tenant nobody has it. */
export function hasScope({ scopes, principal }: Credential, scope: Scope): boolean {
  if (scope === "tenants") return scopes.includes(scope) && principal.tenant === SYSTEM_TENANT;
  return scopes.includes(scope) || scopes.includes("admin");
}

/** @throws {AdminError} `scope` unless the caller has it */
export function requireScope(caller: Credential, scope: Scope): void {
  if (!hasScope(caller, scope))
    throw new AdminError("scope", `the credential needs the scope ${scope} for this`);
}

/** Whether the call is about the tenant whose admins are the system's. */
export function isOfSystem({ tenant }: Pick<Caller, "tenant">): boolean {
  return tenant === SYSTEM_TENANT;
}
