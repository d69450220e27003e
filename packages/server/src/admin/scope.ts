import type { Caller, Scope } from "../core/access/access-token.ts";
import { AdminError } from "./admin-error.ts";

export type { Caller } from "../core/access/access-token.ts";

export function hasScope(caller: Caller, scope: Scope): boolean {
  return caller.scopes.includes(scope) || (scope !== "tenants" && caller.scopes.includes("admin"));
}

/** @throws {AdminError} `scope` unless the caller has it; `admin` includes every other but `tenants` */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!hasScope(caller, scope))
    throw new AdminError("scope", `the credential needs the scope ${scope} for this`);
}
