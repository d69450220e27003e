import type { Clock, Timer } from "../ports/clock.ts";
import type { Engine, Seq } from "../ports/engine.ts";
import type { Logger } from "../ports/telemetry.ts";
import { NeededRecords } from "../routing/needed-records.ts";
import type { Router } from "../routing/router.ts";
import type { GroupCursor } from "../routing/share-group.ts";
import type { SavedEntry } from "./saved-entry.ts";
import type { Session } from "./session.ts";
import type { SessionDirectory } from "./session-directory.ts";
import type { Limits } from "./limits.ts";
import { queueBoundsOf } from "./session-queue.ts";

export interface CheckpointOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly directory: SessionDirectory;
  /** As of now. */
  readonly routers: () => Iterable<Router>;
}

/** When the log was last asked to forget, and what it had to keep. */
interface Released {
  readonly upTo: Seq;
  readonly kept: number;
  readonly closedEntries: number;
}

const intervalMs = 1_000;
/** The log is asked to forget when at least this many records have come since it last was. */
const minimumReleased = 100;
const lookEvery = 60;
const goneShare = 0.1;
/** Sessions whose queues are looked at in one checkpoint. */
const sweepSessions = 10_000;
/** How long a checkpoint may hold the event loop at a time. */
const sliceMs = 2;

/**
 * Once a second: saves what may be saved late (cursors, views, groups), in the order that a crash in between asks for,
 * and lets the log forget what nobody needs any longer (semantics.md §2.4, §2.7).
 */
export class Checkpoint {
  readonly #options: CheckpointOptions;
  readonly #released = new Map<string, Released>();
  /** By tenant: where the look at the queues goes on. */
  readonly #sweeps = new Map<string, Iterator<Session, void>>();
  #count = 0;
  /** By tenant: the share groups whose cursors were saved. */
  readonly #groupKeys = new Map<string, ReadonlySet<string>>();
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: CheckpointOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.after(intervalMs, () => this.#tick());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
    await this.run();
  }

  /** A tenant that is no longer there is left alone from when this resolves on. */
  async forget(tenant: string): Promise<void> {
    await this.#running;
    for (const byTenant of [this.#released, this.#sweeps, this.#groupKeys]) byTenant.delete(tenant);
  }

  /** One checkpoint; never rejects. */
  async run(): Promise<void> {
    const { routers, directory, logger } = this.#options;
    this.#count += 1;
    try {
      for (const router of routers()) await this.#checkpoint(router, directory);
    } catch (error) {
      logger.warn({ error: String(error) }, "a checkpoint could not be saved; the next one tries again");
    }
  }

  #tick(): void {
    this.#running = this.run().then(() => {
      if (!this.#isStopped) this.start();
    });
  }

  /** Groups say how far they were before their members save what they took; the log forgets last. */
  async #checkpoint(router: Router, directory: SessionDirectory): Promise<void> {
    if (!router.isRecovered) return void (await directory.saveMarked());
    await this.#inSlices(this.#cutQueues(router, directory));
    const upTo = router.tailSeq;
    router.retainedView.expire(this.#options.clock.nowMs());
    const cursors = cursorsOf(router);
    const shared = sharedIn(router, directory);
    const isSaved = await directory.saveMarked();
    // Recovery looks for packet ids of QoS 2 from there on: all that lie before have to be in their records
    await router.retainedView.save(isSaved ? upTo : router.retainedView.savedUpTo);
    await this.#saveGroups(router, cursors);
    // Else a crash in between could find that a member gave a message back, and not that another has had it
    await forget(shared, "returned");
    await forget(shared, "done");
    router.histories.trim(this.#options.clock.nowMs());
    await router.histories.save();
    await this.#release(router, upTo);
  }

  async #saveGroups(router: Router, cursors: ReadonlyMap<string, GroupCursor>): Promise<void> {
    const kv = this.#options.engine.kv(groupsBucket(router.tenant));
    const gone = [...(this.#groupKeys.get(router.tenant) ?? [])].filter((key) => !cursors.has(key));
    const puts = [...cursors].map(([key, { takenUpTo, ahead, returned }]) =>
      kv.put(key, { takenUpTo, ahead, returned }),
    );
    await Promise.all([...puts, ...gone.map((key) => kv.delete(key))]);
    this.#groupKeys.set(router.tenant, new Set(cursors.keys()));
  }

  /** Keeps queues within their bounds: of all sessions, or of the next so many where there are more. */
  *#cutQueues(router: Router, directory: SessionDirectory): Generator<void, void> {
    const { tenant } = router;
    const sessions: Iterator<Session, void> = this.#sweeps.get(tenant) ?? directory.list(tenant).values();
    this.#sweeps.set(tenant, sessions);
    for (let seen = 1; seen <= sweepSessions; seen += 1) {
      const { done, value: session } = sessions.next();
      if (done === true) {
        this.#sweeps.delete(tenant);
        break;
      }
      session.cutQueue();
      yield;
    }
    const bounds = queueBoundsOf(this.#options.limits);
    for (const group of router.groups) group.cut(bounds);
  }

  /** Goes through all steps, a slice a turn of the event loop. */
  async #inSlices<Result>(steps: Generator<void, Result>): Promise<Result> {
    const { clock } = this.#options;
    for (let until = clock.nowMs() + sliceMs; ;) {
      const { done, value } = steps.next();
      if (done) return value;
      if (clock.nowMs() < until) continue;
      await new Promise<void>((resolve) => clock.soon(resolve));
      until = clock.nowMs() + sliceMs;
    }
  }

  /** Sessions have ended, or (looked for once a minute) dropped much of what the log keeps for them. */
  async #hasGone(router: Router, { kept, closedEntries }: Released): Promise<boolean> {
    const enough = Math.max(minimumReleased, kept * goneShare);
    if (router.closedEntries - closedEntries >= enough) return true;
    if (this.#count % lookEvery !== 0 || kept < enough) return false;
    return kept - (await this.#inSlices(router.trimWaiting())) >= enough;
  }

  /** The set of what is needed is as large as the backlog: it is made only when about as much has come since. */
  async #release(router: Router, upTo: Seq): Promise<void> {
    const last = this.#released.get(router.tenant) ?? { upTo: 0, kept: 0, closedEntries: 0 };
    const hasCome = upTo - last.upTo >= Math.max(minimumReleased, last.kept);
    if (!hasCome && !(await this.#hasGone(router, last))) return;
    const needed = new NeededRecords();
    await this.#inSlices(router.collectNeeded(needed));
    router.release(upTo, needed);
    this.#released.set(router.tenant, { upTo, kept: needed.size, closedEntries: router.closedEntries });
  }
}

function cursorsOf(router: Router): Map<string, GroupCursor> {
  const groups = [...router.groups].filter((group) => group.isLogged);
  return new Map(groups.map((group) => [group.key, group.cursor()]));
}

/** What the records of sessions name of shared messages that they have no longer, and that the cursors cover. */
function sharedIn(router: Router, directory: SessionDirectory): Map<Session, readonly SavedEntry[]> {
  const shared = new Map<Session, readonly SavedEntry[]>();
  for (const session of directory.withShareReturns(router.tenant))
    shared.set(session, [...(session.outgoing.shareReturns?.entries ?? [])]);
  return shared;
}

async function forget(
  shared: ReadonlyMap<Session, readonly SavedEntry[]>,
  state: "returned" | "done",
): Promise<void> {
  const saves = [...shared].map(async ([session, entries]) => {
    const ofState = entries.filter((entry) => entry.state === state);
    if (ofState.length > 0) await session.outgoing.shareReturns?.forget(ofState);
  });
  await Promise.all(saves);
}

/** Where the cursors of share groups are kept. */
export function groupsBucket(tenant: string): string {
  return `share-groups/${tenant}`;
}
