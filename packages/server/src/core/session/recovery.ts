import { identityKey, type Identity, type Principal } from "../access/principal.ts";
import { Policy } from "../access/policy.ts";
import type { Engine, OwnedEntry, Seq, StoredRecord } from "../ports/engine.ts";
import type { Router } from "../routing/router.ts";
import type { Will } from "@weir/protocol";
import { groupsBucket } from "./checkpoint.ts";
import type { SavedEntry } from "./outgoing.ts";
import type { Session } from "./session.ts";
import type { SessionDirectory } from "./session-directory.ts";
import type { SavedSubscription } from "./subscriptions.ts";

export interface RecoveryOptions {
  readonly router: Router;
  readonly engine: Engine;
  readonly directory: SessionDirectory;
}

interface SavedMeta {
  readonly id: string;
  readonly incarnation: string;
  readonly clientId: string;
  readonly realm: string;
  readonly subject: string;
  readonly tokenId: string | null;
  readonly expiryS: number;
  readonly isLogged: boolean;
  readonly will: Will | null;
  readonly subscriptions: readonly SavedSubscription[];
}

interface SavedCursor {
  readonly outgoing: { readonly takenUpTo: Seq; readonly lastId: number };
  readonly inbound: readonly number[];
  readonly inboundAt: Seq;
  readonly stoppedAt: Seq | null;
}

interface Recovered {
  readonly session: Session;
  readonly meta: SavedMeta;
  readonly cursor: SavedCursor;
}

interface SavedGroup {
  readonly takenUpTo: Seq;
}

/**
 * Brings a tenant back as the engine has it: sessions from their records, then one pass over the log that fills their
 * outboxes, the retained messages and the QoS 2 packet ids of publishers (semantics.md §2.2, §2.6).
 */
export async function recoverTenant(options: RecoveryOptions): Promise<void> {
  const { router } = options;
  await router.retainedView.load();
  const groups = await loadGroups(options);
  const recovered = new Map<string, Recovered>();
  for await (const entry of options.engine.owners.list("session", router.tenant)) {
    const found = await recoverSession(options, entry, groups);
    recovered.set(entry.id, found);
  }
  const after = oldestPosition(router, groups, recovered);
  router.advanceTail(newestPosition(router, groups, recovered));
  await router.rebuild(after, (stored) => recoverInbound(recovered, stored));
  for (const { session, cursor } of recovered.values()) finish(options, session, cursor);
}

async function loadGroups(options: RecoveryOptions): Promise<Map<string, SavedGroup>> {
  const groups = new Map<string, SavedGroup>();
  for await (const { key, value } of options.engine.kv(groupsBucket(options.router.tenant)).list("")) {
    groups.set(key, value as unknown as SavedGroup);
  }
  return groups;
}

async function recoverSession(
  options: RecoveryOptions,
  entry: OwnedEntry,
  groups: ReadonlyMap<string, SavedGroup>,
): Promise<Recovered> {
  const { engine, directory, router } = options;
  const meta = entry.parts.meta as unknown as SavedMeta;
  const cursor = entry.parts.cursor as unknown as SavedCursor;
  const principal = absentPrincipal(router.tenant, meta);
  const session = directory.build(entry.id, meta.id, meta.incarnation, principal);
  const owner = identityKey(router.tenant, principal.identity);
  session.keepIn(engine.owners, await engine.owners.acquire("session", router.tenant, entry.id, owner));
  session.expiryS = meta.expiryS;
  session.will = meta.will ?? undefined;
  session.stoppedAt = cursor.stoppedAt ?? undefined;
  if (meta.isLogged) session.readLog(cursor.outgoing.takenUpTo);
  for (const saved of meta.subscriptions) {
    const group = saved.groupKey === undefined ? undefined : groups.get(saved.groupKey);
    session.subscriptions.restore(saved, group?.takenUpTo ?? cursor.outgoing.takenUpTo);
  }
  session.outgoing.recover(cursor.outgoing, (entry.parts.inFlight ?? []) as unknown as SavedEntry[]);
  for (const packetId of cursor.inbound) session.incoming.recover(packetId);
  return { session, meta, cursor };
}

/** Stands for the one who will resume the session: nothing is delivered before (semantics.md §1.9). */
function absentPrincipal(tenant: string, meta: SavedMeta): Principal {
  const identity: Identity = { realm: meta.realm, subject: meta.subject };
  return {
    tenant,
    identity,
    ...(meta.tokenId !== null && { tokenId: meta.tokenId }),
    clientId: meta.clientId,
    policy: Policy.nothing,
    policyVersion: 0,
    endsAtMs: Infinity,
  };
}

/** A packet id that the record's own session used after its set was saved is still in use. */
function recoverInbound(recovered: ReadonlyMap<string, Recovered>, stored: StoredRecord): void {
  const { inbound, publisher } = stored.record;
  if (!inbound) return;
  const found = recovered.get(publisher.sessionKey);
  if (!found || found.meta.incarnation !== inbound.incarnation) return;
  if (stored.seq > found.cursor.inboundAt) found.session.incoming.recover(inbound.packetId);
}

function finish(options: RecoveryOptions, session: Session, cursor: SavedCursor): void {
  if (cursor.stoppedAt !== null) session.reader?.freeze(cursor.stoppedAt);
  options.directory.restore(session);
}

function positions(
  router: Router,
  groups: ReadonlyMap<string, SavedGroup>,
  recovered: ReadonlyMap<string, Recovered>,
): Seq[] {
  const cursors = [...recovered.values()].map(({ cursor }) => cursor);
  return [
    router.retainedView.savedUpTo,
    ...[...groups.values()].map((group) => group.takenUpTo),
    ...cursors.map((cursor) => cursor.outgoing.takenUpTo),
    ...cursors.map((cursor) => cursor.inboundAt),
  ];
}

function oldestPosition(...from: Parameters<typeof positions>): Seq {
  return positions(...from).reduce((oldest, seq) => Math.min(oldest, seq), Infinity);
}

function newestPosition(...from: Parameters<typeof positions>): Seq {
  return positions(...from).reduce((newest, seq) => Math.max(newest, seq), 0);
}
