import { identityKey, type Identity, type Principal } from "../access/principal.ts";
import { Policy } from "../access/policy.ts";
import type { PrincipalLimits } from "../access/principal-limits.ts";
import type { Engine, Seq, StoredRecord } from "../ports/engine.ts";
import type { SavedDrops } from "../routing/reader-cursor.ts";
import type { Router } from "../routing/router.ts";
import type { GroupCursor } from "../routing/share-group.ts";
import type { Will } from "@weir/protocol";
import { groupsBucket } from "./checkpoint.ts";
import type { SavedEntry } from "./saved-entry.ts";
import type { SavedOAuth } from "./saved-oauth.ts";
import type { SavedDropCount, Session } from "./session.ts";
import type { SessionDirectory } from "./session-directory.ts";
import type { SavedReplay } from "./replay.ts";
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
  /** Absent in what was saved before there were minting tokens. */
  readonly minter?: string | null;
  /** Absent in what was saved before there were OAuth providers. */
  readonly oauth?: SavedOAuth | null;
  readonly expiryS: number;
  readonly isLogged: boolean;
  readonly limits?: PrincipalLimits | null;
  readonly will: Will | null;
  readonly subscriptions: readonly SavedSubscription[];
}

interface SavedCursor {
  readonly outgoing: {
    readonly takenUpTo: Seq;
    readonly lastId: number;
    readonly drops?: SavedDrops | null;
    readonly replays?: readonly SavedReplay[];
  };
  readonly inbound: readonly number[];
  readonly inboundAt: Seq;
  readonly stoppedAt: Seq | null;
  readonly dropped?: SavedDropCount;
}

interface SavedSession {
  readonly key: string;
  readonly meta: SavedMeta;
  readonly cursor: SavedCursor;
  readonly inFlight: readonly SavedEntry[];
}

interface Recovered extends SavedSession {
  readonly session: Session;
}

/** By key: where the cursors of the share groups stood, and what members had given back. */
type Groups = ReadonlyMap<string, GroupCursor>;

/**
 * Brings a tenant back as the engine has it: sessions from their records, and from the end of the log the retained
 * messages and the QoS 2 packet ids of publishers. Resolves when CONNECT may be answered, with what is still to be done:
 * one pass over the log that fills the outboxes (semantics.md §2.2, §2.6). A client that comes back meanwhile gets its
 * messages as they are found.
 */
export async function recoverTenant(options: RecoveryOptions): Promise<() => Promise<void>> {
  const { router } = options;
  await router.retainedView.load();
  const saved = await loadSessions(options);
  const groups = await loadGroups(options, saved);
  const recovered = new Map<string, Recovered>();
  for (const one of saved) recovered.set(one.key, await recoverSession(options, one, groups));
  await router.recoverViews((stored) => recoverInbound(recovered, stored));
  const positions = positionsOf(groups, saved);
  router.advanceTail(router.retainedView.savedUpTo);
  for (const { cursor } of saved) router.advanceTail(cursor.inboundAt);
  for (const position of positions) router.advanceTail(position);
  const shared = Map.groupBy(
    saved.flatMap(({ inFlight }) => inFlight),
    (entry) => entry.groupKey,
  );
  for (const [key, cursor] of groups) await recoverGroup(router, key, cursor, shared.get(key) ?? []);
  for (const { session } of recovered.values()) options.directory.restore(session);
  const from = positions.reduce((least, position) => Math.min(least, position), router.tailSeq);
  return () => rebuildOutboxes(options, from);
}

/** Records between two looks whether somebody who is back waits for what was found. */
const recordsPerPump = 50_000;

async function rebuildOutboxes({ router, directory }: RecoveryOptions, from: Seq): Promise<void> {
  let pumpedAt = from;
  await router.rebuildOutboxes(from, (upTo) => {
    if (upTo - pumpedAt < recordsPerPump) return;
    pumpedAt = upTo;
    for (const session of directory.list(router.tenant)) if (session.isConnected) session.pump();
  });
  for (const session of directory.list(router.tenant))
    if (session.stoppedAt !== undefined) session.subscriptions.stopCollecting(session.stoppedAt);
}

async function loadSessions({ engine, router }: RecoveryOptions): Promise<SavedSession[]> {
  const sessions: SavedSession[] = [];
  for await (const { id, parts } of engine.owners.list("session", router.tenant)) {
    const meta = parts.meta as unknown as SavedMeta;
    sessions.push({
      key: id,
      meta: { ...meta, subscriptions: meta.subscriptions.map((one) => beforeHead(one, router.headSeq)) },
      cursor: parts.cursor as unknown as SavedCursor,
      inFlight: parts.inFlight as unknown as readonly SavedEntry[],
    });
  }
  return sessions;
}

/** A number above the log's head was given to a record that a crash has undone: another one gets it now. */
function beforeHead(subscription: SavedSubscription, head: Seq): SavedSubscription {
  const { tracking } = subscription;
  return {
    ...subscription,
    from: Math.min(subscription.from, head),
    ...(tracking && {
      tracking: {
        ...tracking,
        after: Math.min(tracking.after, head),
        mergedFrom: Math.min(tracking.mergedFrom, head),
      },
    }),
  };
}

/**
 * A group begins with the first of its members' subscriptions, and its cursor is saved a little later. What is saved
 * of a group without members is left over from an earlier one.
 */
async function loadGroups(
  { engine, router }: RecoveryOptions,
  sessions: readonly SavedSession[],
): Promise<Groups> {
  const starts = new Map<string, Seq>();
  for (const { groupKey, from } of sessions.flatMap(({ meta }) => meta.subscriptions)) {
    if (groupKey !== undefined) starts.set(groupKey, Math.min(from, starts.get(groupKey) ?? from));
  }
  const groups = new Map<string, GroupCursor>(
    [...starts].map(([key, takenUpTo]) => [key, { takenUpTo, ahead: [], returned: [] }]),
  );
  const kv = engine.kv(groupsBucket(router.tenant));
  for await (const { key, value } of kv.list("")) {
    const cursor = value as unknown as GroupCursor;
    const start = starts.get(key);
    if (start === undefined) await kv.delete(key);
    else if (cursor.takenUpTo >= start) groups.set(key, cursor);
  }
  return groups;
}

async function recoverSession(
  { engine, directory, router }: RecoveryOptions,
  saved: SavedSession,
  groups: Groups,
): Promise<Recovered> {
  const { key, meta, cursor } = saved;
  const principal = absentPrincipal(router.tenant, meta);
  const session = directory.build(key, meta.id, meta.incarnation, principal);
  const owner = identityKey(router.tenant, principal.identity);
  session.keepIn(engine.owners, await engine.owners.acquire("session", router.tenant, key, owner));
  session.expiryS = meta.expiryS;
  session.will = meta.will ?? undefined;
  session.stoppedAt = cursor.stoppedAt ?? undefined;
  if (cursor.dropped) session.recoverDrops(cursor.dropped);
  if (meta.isLogged) session.readLog(cursor.outgoing.takenUpTo, cursor.outgoing.drops ?? undefined);
  if (cursor.outgoing.replays?.length) session.replays.recover(cursor.outgoing.replays);
  for (const subscription of meta.subscriptions) {
    const group = groups.get(subscription.groupKey ?? "");
    session.subscriptions.restore(subscription, group?.takenUpTo ?? cursor.outgoing.takenUpTo);
  }
  const [own, shared] = inFlightOf(saved, groups);
  session.outgoing.recover(cursor.outgoing, own, shared);
  if (shared.length > 0) session.record?.mark("progress");
  for (const packetId of cursor.inbound) session.incoming.recover(packetId);
  return { ...saved, session };
}

/** What is in flight, and what the record has to go on naming until its group has saved it. */
function inFlightOf({ inFlight }: SavedSession, groups: Groups): [own: SavedEntry[], shared: SavedEntry[]] {
  const hasGroup = ({ groupKey }: SavedEntry): boolean => groupKey !== null && groups.has(groupKey);
  const own = inFlight.filter(isOwn);
  return [
    own.map((entry) => (hasGroup(entry) ? entry : { ...entry, groupKey: null })),
    inFlight.filter((entry) => !isOwn(entry) && hasGroup(entry)),
  ];
}

/** With the connection lost, QoS 1 goes to another member; QoS 2 that may have been sent stays [MQTT-4.8.2-5]. */
function isOwn({ groupKey, qos, state }: SavedEntry): boolean {
  return groupKey === null || (qos === 2 && (state === "sent" || state === "released"));
}

async function recoverGroup(
  router: Router,
  key: string,
  { ahead = [], returned }: Partial<GroupCursor> & Pick<GroupCursor, "returned">,
  shared: readonly SavedEntry[],
): Promise<void> {
  const done = shared.filter((entry) => entry.state === "done" || isOwn(entry)).map(({ seq }) => seq as Seq);
  const back = shared.filter((entry) => entry.state !== "done" && !isOwn(entry)).map(({ seq }) => seq as Seq);
  const waiting = [...new Set([...returned, ...back])].filter((seq) => !done.includes(seq));
  const messages = await router.fetch(waiting.sort((a, b) => a - b));
  router.openGroup(key).recover(messages, [...ahead, ...done]);
}

/** Stands for the one who will resume the session: nothing is delivered before (semantics.md §1.9). */
function absentPrincipal(tenant: string, meta: SavedMeta): Principal {
  const identity: Identity = { realm: meta.realm, subject: meta.subject };
  return {
    tenant,
    identity,
    ...(meta.tokenId !== null && { tokenId: meta.tokenId }),
    ...(meta.minter != null && { minter: meta.minter }),
    clientId: meta.clientId,
    policy: Policy.nothing,
    ...(meta.limits && { limits: meta.limits }),
    policyVersion: 0,
    endsAtMs: Infinity,
    ...meta.oauth,
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

/** Of all that wait: what lies behind the lowest has been taken by everybody. */
function positionsOf(groups: Groups, sessions: readonly SavedSession[]): Seq[] {
  return [
    ...[...groups.values()].map((group) => group.takenUpTo),
    ...sessions.filter(({ meta }) => meta.isLogged).map(({ cursor }) => cursor.outgoing.takenUpTo),
    ...sessions.flatMap(replayPositions),
  ];
}

/** From where the outboxes of its replays have to be filled. */
function replayPositions({ meta, cursor }: SavedSession): Seq[] {
  const fromOf = new Map(meta.subscriptions.map(({ topicFilter, from }) => [topicFilter, from]));
  const replays = cursor.outgoing.replays ?? [];
  return replays.map(({ topicFilter, takenUpTo }) => Math.max(takenUpTo, fromOf.get(topicFilter) ?? 0));
}
