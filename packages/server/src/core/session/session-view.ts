import type { Qos } from "@weir/protocol";
import type { Identity } from "../access/principal.ts";
import type { QueuePolicy } from "../access/principal-limits.ts";
import type { TransportKind } from "../ports/transport.ts";
import type { Session } from "./session.ts";

/** What operators may see of a session; no credential is in it. */
export interface SessionView {
  readonly id: string;
  readonly clientId: string;
  /** Its name. */
  readonly tenant: string;
  readonly identity: Identity;
  readonly tokenId?: string;
  readonly provider?: string;
  readonly issuer?: string;
  /** Of the key that signed the JWT. */
  readonly keyId?: string;
  readonly groups?: readonly string[];
  readonly connected: boolean;
  readonly address?: string;
  readonly transport?: TransportKind;
  readonly protocolVersion?: 3 | 4 | 5;
  readonly connectedSinceMs?: number;
  readonly principalEndsAtMs?: number;
  readonly sessionExpiryS: number;
  readonly subscriptions: readonly SubscriptionView[];
  readonly queued: number;
  readonly queuedBytes: number;
  readonly queuePolicy: QueuePolicy;
  readonly inFlight: number;
  readonly dropped: number;
}

export interface SubscriptionView {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly identifier?: number;
  readonly effective: readonly string[];
}

export function viewOf(session: Session): SessionView {
  const { principal, attachment } = session;
  return {
    id: session.id,
    clientId: session.clientId,
    tenant: session.router.tenantName,
    identity: principal.identity,
    ...(principal.tokenId !== undefined && { tokenId: principal.tokenId }),
    ...(principal.provider !== undefined && { provider: principal.provider }),
    ...(principal.issuer !== undefined && { issuer: principal.issuer }),
    ...(principal.keyId !== undefined && { keyId: principal.keyId }),
    ...(principal.groups && { groups: principal.groups }),
    connected: attachment !== undefined,
    ...(attachment && {
      address: attachment.peer.address,
      transport: attachment.peer.transport,
      protocolVersion: attachment.protocolVersion,
      connectedSinceMs: attachment.connectedSinceMs,
    }),
    ...(principal.endsAtMs !== Infinity && { principalEndsAtMs: principal.endsAtMs }),
    sessionExpiryS: session.expiryS,
    subscriptions: [...session.subscriptions.all].map((subscription) => ({
      filter: subscription.topicFilter,
      qos: subscription.qos,
      noLocal: subscription.noLocal,
      retainAsPublished: subscription.retainAsPublished,
      ...(subscription.identifier !== undefined && { identifier: subscription.identifier }),
      effective: subscription.granted.map((granted) => granted.filter),
    })),
    queued: session.outgoing.queued,
    queuedBytes: session.outgoing.queuedBytes,
    queuePolicy: session.queueBounds.policy,
    inFlight: session.outgoing.inFlightCount,
    dropped: session.droppedCount,
  };
}
