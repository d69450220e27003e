import type { Caller } from "../core/access/access-token.ts";
import type { Clock } from "../core/ports/clock.ts";
import { EngineError } from "../core/ports/engine.ts";
import type { Logger } from "../core/ports/telemetry.ts";
import { AdminError } from "./admin-error.ts";
import { requireScope } from "./scope.ts";

/** Where backups are. Only the broker's operator says where that is; no caller does. */
export interface BackupStore {
  /** Of the data: no two stores have the same. */
  readonly epoch: string;
  make(id: string): Promise<void>;
  list(): Promise<readonly { readonly id: string; readonly bytes: number; readonly isComplete: boolean }[]>;
  expectedBytes(): Promise<number>;
  missingBytes(): Promise<number>;
}

/** A backup as it is shown. */
export interface BackupView {
  readonly id: string;
  readonly state: "running" | "complete" | "failed";
  /** RFC 3339. */
  readonly createdAt: string;
  /** On the disk by now. */
  readonly bytes: number;
  /** What it will be, about; while it runs. */
  readonly expectedBytes?: number;
  /** Why it failed. */
  readonly problem?: string;
}

interface Attempt {
  readonly id: string;
  readonly expectedBytes: number;
  problem: string | undefined;
  /** Undefined: it has ended. */
  work: Promise<void> | undefined;
}

/** What `BackupAdmin` calls its backups. */
const backupId = /^(\d{4}-\d\d-\d\dT\d\d)-(\d\d)-(\d\d\.\d{3}Z)$/;

/** Backups of the whole store while it is in use; needs the scope `admin`. One is made at a time. */
export class BackupAdmin {
  readonly #store: BackupStore | undefined;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #last: Attempt | undefined;
  #isStarting = false;
  #isStopped = false;

  /** @param options.store undefined: this broker keeps nothing on a disk */
  constructor(options: { store: BackupStore | undefined; clock: Clock; logger: Logger }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /**
   * Begins a backup, and does not wait for its end.
   *
   * @param epoch of the store that the caller means; undefined: whichever this broker has
   * @throws {AdminError} `conflict` while another one is made, `precondition` for another store, `unavailable` without room
   */
  async begin(caller: Caller, epoch?: string): Promise<BackupView> {
    requireScope(caller, "admin");
    const store = this.#requireStore();
    if (epoch !== undefined && epoch !== store.epoch)
      throw new AdminError("precondition", "this broker has another store than the one that is meant");
    if (this.#isStopped) throw new AdminError("unavailable", "the broker is stopping");
    if (this.#isStarting || this.#last?.work !== undefined)
      throw new AdminError("conflict", "another backup is being made: wait for its end");
    this.#isStarting = true;
    try {
      return await this.#begin(store);
    } finally {
      this.#isStarting = false;
    }
  }

  /** @throws {AdminError} */
  async get(caller: Caller, id: string): Promise<BackupView> {
    const found = (await this.list(caller)).find((backup) => backup.id === id);
    if (found === undefined) throw new AdminError("not-found", "there is no backup with this id");
    return found;
  }

  /** The oldest first. @throws {AdminError} */
  async list(caller: Caller): Promise<readonly BackupView[]> {
    requireScope(caller, "admin");
    const last = this.#last;
    const onDisk = (await this.#requireStore().list()).filter(({ id }) => backupId.test(id));
    const complete = onDisk
      .filter(({ isComplete }) => isComplete)
      .map(({ id, bytes }) => view({ id, bytes, state: "complete" }));
    if (last === undefined || complete.some(({ id }) => id === last.id)) return complete;
    const bytes = onDisk.find(({ id }) => id === last.id)?.bytes ?? 0;
    return [...complete, attemptView(last, bytes)];
  }

  /** No more are begun; resolves when none is being made. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#last?.work;
  }

  async #begin(store: BackupStore): Promise<BackupView> {
    const [missingBytes, expectedBytes] = await Promise.all([store.missingBytes(), store.expectedBytes()]);
    if (missingBytes > 0)
      throw new AdminError(
        "unavailable",
        `the disk has no room for a backup: ${missingBytes} bytes more must be free`,
      );
    if (this.#isStopped) throw new AdminError("unavailable", "the broker is stopping");
    const id = new Date(this.#clock.nowMs()).toISOString().replaceAll(":", "-");
    const attempt: Attempt = { id, expectedBytes, problem: undefined, work: undefined };
    attempt.work = this.#make(store, attempt);
    this.#last = attempt;
    return attemptView(attempt, 0);
  }

  async #make(store: BackupStore, attempt: Attempt): Promise<void> {
    const { id } = attempt;
    try {
      await store.make(id);
      this.#logger.info({ id }, "a backup is complete");
    } catch (error) {
      attempt.problem = problemText(error);
      this.#logger.error({ id, error: String(error) }, "a backup failed");
    }
    attempt.work = undefined;
  }

  #requireStore(): BackupStore {
    if (this.#store) return this.#store;
    throw new AdminError("unavailable", "this broker keeps its state in memory: there is nothing to back up");
  }
}

function attemptView({ id, expectedBytes, problem, work }: Attempt, bytes: number): BackupView {
  if (problem !== undefined) return view({ id, bytes: 0, state: "failed", problem });
  return work === undefined
    ? view({ id, bytes, state: "complete" })
    : view({ id, bytes, state: "running", expectedBytes });
}

function view(backup: Omit<BackupView, "createdAt">): BackupView {
  return { ...backup, createdAt: backup.id.replace(backupId, "$1:$2:$3") };
}

/** Never a path: only operators know those. */
function problemText(error: unknown): string {
  if (error instanceof EngineError) return `the engine cannot do it now (${error.code})`;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOSPC" || code === "EDQUOT") return "the disk is full";
  return `it could not be written${code && ` (${code})`}; the broker's log says more`;
}
