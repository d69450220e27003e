import type {
  AccessAnswer as ShownAccessAnswer,
  AuditEntry as ShownAuditEntry,
  CreatedToken,
  HistoryMessage as ShownHistoryMessage,
  PolicyEntry,
  RetainedMessage,
  Session,
  Token,
} from "@weir/api";
import type { AccessAnswer } from "../admin/access-explainer.ts";
import type { AuditEntry } from "../admin/audit-log.ts";
import type { Message } from "../admin/retained-admin.ts";
import type { HistoryMessage } from "../admin/history-reader.ts";
import { declareLimits } from "../admin/limits-declaration.ts";
import { declareMint } from "../admin/mint-declaration.ts";
import type { Page } from "../admin/page.ts";
import { formatTime } from "../admin/rfc3339-time.ts";
import type { SessionView, SubscriptionView } from "../admin/session-admin.ts";
import type { ShownToken } from "../admin/token-admin.ts";

/** A part of a list as REST shows it. */
export function presentPage<T, Shown>(
  { items, next }: Page<T>,
  present: (item: T) => Shown,
): { items: Shown[]; next?: string } {
  return { items: items.map(present), ...(next !== undefined && { next }) };
}

/** What was changed as REST shows it. */
export function presentAuditEntry({
  target,
  query,
  values,
  members,
  actor,
  ...entry
}: AuditEntry): ShownAuditEntry {
  return {
    ...entry,
    actor: { ...actor },
    ...(target !== undefined && { target }),
    ...(query && { query: { ...query } }),
    ...(values && { values: { ...values } }),
    ...(members && { members: [...members] }),
  };
}

/** A retained message as REST shows it. */
export function presentRetained(message: Message): RetainedMessage {
  const { topic, payload, qos, properties = {}, expiresAtMs } = message;
  const { contentType, responseTopic, correlationData, userProperties } = properties;
  return {
    topic: topic.name,
    ...presentPayload(payload),
    qos,
    ...(isTime(expiresAtMs) && { expiresAt: formatTime(expiresAtMs) }),
    ...(contentType !== undefined && { contentType }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData && { correlationDataBase64: Buffer.from(correlationData).toString("base64") }),
    ...(userProperties && { userProperties: userProperties.map(([name, value]) => [name, value]) }),
  };
}

/** A message of a history as REST shows it. */
export function presentHistoryMessage({
  message,
  publishedAtMs,
  position,
}: HistoryMessage): ShownHistoryMessage {
  return { ...presentRetained(message), publishedAt: formatTime(publishedAtMs), position };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text where it is text. */
function presentPayload(payload: Uint8Array): Pick<RetainedMessage, "payload" | "payloadBase64"> {
  try {
    return { payload: utf8.decode(payload) };
  } catch {
    return { payloadBase64: Buffer.from(payload).toString("base64") };
  }
}

/** Why something is allowed or not, as REST shows it. */
export function presentAccessAnswer({ entries, effective, ...answer }: AccessAnswer): ShownAccessAnswer {
  return {
    ...answer,
    entries: entries.map(({ entry, from, filters }) => ({
      entry: entry as PolicyEntry,
      from,
      filters: [...filters],
    })),
    ...(effective && { effective: [...effective] }),
  };
}

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
    ...(view.provider !== undefined && { provider: view.provider }),
    ...(view.issuer !== undefined && { issuer: view.issuer }),
    ...(view.keyId !== undefined && { kid: view.keyId }),
    ...(view.groups && { groups: [...view.groups] }),
    ...(view.address !== undefined && { address: view.address }),
    ...(view.transport !== undefined && { transport: view.transport }),
    ...(protocol !== undefined && { protocol }),
    connected: view.connected,
    ...(view.connectedSinceMs !== undefined && { connectedSince: formatTime(view.connectedSinceMs) }),
    ...(isTime(view.principalEndsAtMs) && { principalExpiresAt: formatTime(view.principalEndsAtMs) }),
    ...(view.sessionExpiryS < NEVER_S && { sessionExpiry: view.sessionExpiryS }),
    subscriptions: view.subscriptions.map(presentSubscription),
    queued: view.queued,
    queuedBytes: view.queuedBytes,
    queuePolicy: view.queuePolicy,
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
