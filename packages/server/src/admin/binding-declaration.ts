import { parseIpNetwork } from "../core/access/ip-network.ts";
import { AdminError } from "./admin-error.ts";

/** Where a credential may be used from, as REST spells it. */
export interface BindingDeclaration {
  readonly clientIds?: readonly string[];
  readonly origins?: readonly string[];
  readonly networks?: readonly string[];
}

export interface Bindings {
  readonly clientIds: readonly string[];
  readonly origins: readonly string[];
  readonly networks: readonly string[];
}

const ORIGIN = /^(?:\*|[a-z*][a-z0-9+.*-]*:\/\/[^/?#\s@]+)$/i;

/**
 * @param path where they stand, for messages: "" or `mint.`
 * @throws {AdminError} `invalid`, naming the member
 */
export function parseBindings(declaration: BindingDeclaration, path: string): Bindings {
  const { clientIds = [], origins = [], networks = [] } = declaration;
  requireAll(`${path}clientIds`, clientIds, isClientId, "is no possible client id");
  requireAll(
    `${path}origins`,
    origins,
    (origin) => ORIGIN.test(origin),
    "must look like https://app.example.com",
  );
  requireAll(
    `${path}networks`,
    networks,
    (network) => parseIpNetwork(network) !== undefined,
    "must look like 10.0.0.0/8 or 2001:db8::/32",
  );
  return { clientIds: [...clientIds], origins: [...origins], networks: [...networks] };
}

function isClientId(pattern: string): boolean {
  return pattern.isWellFormed() && !pattern.includes("\0");
}

function requireAll(
  member: string,
  values: readonly string[],
  isGood: (value: string) => boolean,
  problem: string,
): void {
  const bad = values.findIndex((value) => !isGood(value));
  if (bad >= 0) throw new AdminError("invalid", `${member}[${bad}]: ${problem}`);
}
