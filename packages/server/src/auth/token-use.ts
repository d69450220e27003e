import { type AccessToken, globMatches } from "../core/access/access-token.ts";
import { networkContains, parseIpNetwork } from "../core/access/ip-network.ts";

/** Where a token is shown, as far as it may be bound to that. */
export interface TokenUse {
  /** Undefined: its holder is not there yet, so that networks cannot be looked at. */
  readonly address: string | undefined;
  /** Of the web page, where a browser says so. */
  readonly origin: string | undefined;
  /** A token that lists origins is refused where no origin is told: at the WebSocket upgrade browsers always tell it. */
  readonly needsOrigin: boolean;
  /** Undefined over REST. */
  readonly clientId: string | undefined;
}

export type UseRefusal = "client-id" | "origin" | "network";

/** When the token ends: its hard end, or when it has not been used for its ttl; Infinity for never. */
export function tokenEndMs(token: AccessToken, lastUsedAtMs: number | undefined): number {
  const unusedEndMs = (lastUsedAtMs ?? token.createdAtMs) + (token.ttlS ?? Infinity) * 1_000;
  return Math.min(token.expiresAtMs ?? Infinity, unusedEndMs);
}

/** Why what is bound to clients, web pages or networks may not be used here, or undefined if it may. */
export function refuseUse(
  bound: Pick<AccessToken, "clientIds" | "origins" | "networks">,
  use: TokenUse,
): UseRefusal | undefined {
  const { address, clientId } = use;
  const isBound = bound.networks.length > 0 && address !== undefined;
  if (isBound && !bound.networks.some((network) => isInNetwork(network, address))) return "network";
  if (bound.origins.length > 0 && !isFromOrigin(bound.origins, use)) return "origin";
  if (clientId === undefined || bound.clientIds.length === 0) return undefined;
  return bound.clientIds.some((pattern) => globMatches(pattern, clientId)) ? undefined : "client-id";
}

function isInNetwork(text: string, address: string): boolean {
  const network = parseIpNetwork(text);
  return network !== undefined && networkContains(network, address);
}

function isFromOrigin(origins: readonly string[], use: TokenUse): boolean {
  const origin = use.origin?.toLowerCase();
  if (origin === undefined) return !use.needsOrigin;
  return origins.some((pattern) => globMatches(pattern.toLowerCase(), origin));
}
