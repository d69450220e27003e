import type { Caller, Scope } from "../core/access/access-token.ts";
import { AdminError } from "./admin-error.ts";

export type { Caller } from "../core/access/access-token.ts";

export function hasScope(caller: Caller, scope: Scope): boolean {
  return caller.token.scopes.includes("admin") || caller.token.scopes.includes(scope);
}

/** @throws {AdminError} `scope` unless the caller has it; `admin` includes every other */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!hasScope(caller, scope))
    throw new AdminError("scope", `the access token needs the scope ${scope} for this`);
}
