import type { CreatedToken, PolicyEntry, Session, Token } from "@weir/api";
import { declareLimits } from "../admin/limits-declaration.ts";
import { declareMint } from "../admin/mint-declaration.ts";
import { formatTime } from "../admin/rfc3339-time.ts";
import type { SessionView, SubscriptionView } from "../admin/session-admin.ts";
import type { ShownToken } from "../admin/token-admin.ts";

/** A token as REST shows it. */
export function presentToken(token: ShownToken): Token {
  return {
    id: token.id,
    name: token.name,
    subject: token.subject,
    tenant: token.tenant,
    ...(token.username !== undefined && { username: token.username }),
    acl: token.acl as PolicyEntry[],
    policies: [...token.policies],
    ...(token.ttlS !== undefined && { ttl: token.ttlS }),
    ...(token.expiresAtMs !== undefined && { expiresAt: formatTime(token.expiresAtMs) }),
    enabled: token.enabled,
    scopes: [...token.scopes],
    ...(token.mint && { mint: declareMint(token.mint) as Token["mint"] & object }),
    limits: declareLimits(token.limits),
    clientIds: [...token.clientIds],
    origins: [...token.origins],
    networks: [...token.networks],
    metadata: token.metadata,
    ...(token.mintedBy !== undefined && { mintedBy: token.mintedBy }),
    createdAt: formatTime(token.createdAtMs),
    ...(token.lastUsedAtMs !== undefined && { lastUsedAt: formatTime(token.lastUsedAtMs) }),
  };
}

/** A new token with its key, this once. */
export function presentCreatedToken(token: ShownToken, key: string): CreatedToken {
  return { key, ...presentToken(token) };
}

const PROTOCOLS: Readonly<Record<number, string>> = { 3: "3.1", 4: "3.1.1", 5: "5.0" };
/** The session expiry interval that stands for never [MQTT 5.0 section 3.1.2.11.2]. */
const NEVER_S = 0xffff_ffff;

/** A session as REST shows it. */
export function presentSession(view: SessionView): Session {
  const protocol = view.protocolVersion === undefined ? undefined : PROTOCOLS[view.protocolVersion];
  return {
    id: view.id,
    clientId: view.clientId,
    identity: { realm: view.identity.realm, subject: view.identity.subject },
    tenant: view.tenant,
    ...(view.tokenId !== undefined && { token: view.tokenId }),
    ...(view.address !== undefined && { address: view.address }),
    ...(view.transport !== undefined && { transport: view.transport }),
    ...(protocol !== undefined && { protocol }),
    connected: view.connected,
    ...(view.connectedSinceMs !== undefined && { connectedSince: formatTime(view.connectedSinceMs) }),
    ...(isTime(view.principalEndsAtMs) && { principalExpiresAt: formatTime(view.principalEndsAtMs) }),
    ...(view.sessionExpiryS < NEVER_S && { sessionExpiry: view.sessionExpiryS }),
    subscriptions: view.subscriptions.map(presentSubscription),
    queued: view.queued,
    inFlight: view.inFlight,
    dropped: view.dropped,
  };
}

function presentSubscription(view: SubscriptionView): Session["subscriptions"][number] {
  const { filter, qos, noLocal, retainAsPublished, identifier, effective } = view;
  return {
    filter,
    qos,
    noLocal,
    retainAsPublished,
    ...(identifier !== undefined && { identifier }),
    effective: [...effective],
  };
}

function isTime(timeMs: number | undefined): timeMs is number {
  return timeMs !== undefined && Number.isFinite(timeMs);
}
