import { dirname, join } from "node:path";
import type { Clock } from "../../core/ports/clock.ts";
import {
  EngineError,
  type Bus,
  type Engine,
  type EngineHealth,
  type Kv,
  type Owners,
  type Subscription,
} from "../../core/ports/engine.ts";
import type { Logger } from "../../core/ports/telemetry.ts";
import { DamageLog, type DamageReport } from "./damage-log.ts";
import { DirectoryLock } from "./directory-lock.ts";
import type { Files } from "./disk/files.ts";
import { flushPath, nodeFiles } from "./disk/node-files.ts";
import { EngineGate } from "./engine-gate.ts";
import { EmbeddedLog } from "./log/embedded-log.ts";
import { defaultLogLimits, type LogLimits } from "./log/log-limits.ts";
import { notify } from "./notification.ts";
import { SingleNodeBus } from "./single-node-bus.ts";
import { repairControlStore } from "./store/check-control-store.ts";
import { ControlStore } from "./store/control-store.ts";
import type { StoreKey } from "./store/store-key.ts";
import { EmbeddedBuckets } from "./store/embedded-kv.ts";
import { EmbeddedOwners } from "./store/embedded-owners.ts";
import { openStoreFormat, refuseUsedDirectory, type StoreFormat, writeStoreFormat } from "./store-format.ts";

export interface EmbeddedEngineOptions extends Partial<LogLimits> {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A flush of the control store that takes longer has failed: 30 s unless given. */
  readonly flushTimeoutMs?: number;
  /**
   * A write or a flush has failed, or the directory was taken by someone else. Nothing is acknowledged any more: end the
   * process with this error's message, and start again from what was last flushed. Called once.
   */
  readonly onFatal?: (error: Error) => void;
  /** For tests: the disk under the log. */
  readonly files?: Files;
}

/** What the parts of one engine share. */
interface EngineParts {
  readonly options: EmbeddedEngineOptions;
  readonly gate: EngineGate;
  readonly damage: DamageLog;
  readonly lock: DirectoryLock;
  readonly format: StoreFormat;
  readonly log: EmbeddedLog;
  readonly store: ControlStore;
}

/** How long `close` waits for a store that has failed. */
const closeDeadlineMs = 5_000;

/**
 * The whole engine port in one directory of one process. The log in segment files of its own, all else in LMDB. A promise
 * that has resolved outlives `kill -9` and the loss of power.
 */
export class EmbeddedEngine implements Engine {
  readonly kind = "embedded";
  readonly nodeId: string;
  readonly log: EmbeddedLog;
  readonly owners: Owners;
  readonly bus: Bus;
  /** Of the data: changes when a backup is restored. */
  readonly epoch: string;
  readonly #parts: EngineParts;
  readonly #owners: EmbeddedOwners;
  readonly #buckets: EmbeddedBuckets;
  readonly #hooks: EngineHooks;
  readonly #listeners = new Set<(health: EngineHealth) => void>();
  #fatal: Error | undefined;
  #isClosed = false;
  #closed: Promise<void> | undefined;

  constructor(parts: EngineParts, hooks: EngineHooks) {
    const { gate, format, log, store, options } = parts;
    this.#parts = parts;
    this.#hooks = hooks;
    this.nodeId = `embedded-${format.epoch}`;
    this.epoch = format.epoch;
    this.log = log;
    this.#owners = new EmbeddedOwners({ gate, store, isFull: () => log.isDiskFull });
    this.owners = this.#owners;
    this.bus = new SingleNodeBus(gate, options.clock, this.nodeId);
    this.#buckets = new EmbeddedBuckets(gate, store);
    hooks.onFatal = (error) => this.#fail(error);
    hooks.onHealthChanged = () => this.#tellHealth();
    hooks.onFull = () => log.refused();
  }

  /** What was found damaged since the start, with what was lost and where the rest was set aside. */
  get damage(): readonly DamageReport[] {
    return this.#parts.damage.reports;
  }

  kv(bucket: string): Kv {
    return this.#buckets.of(bucket);
  }

  health(): EngineHealth {
    const problems: string[] = [];
    if (this.#isClosed) problems.push("the engine is closed");
    else if (this.#fatal !== undefined) problems.push(`the store has failed: ${this.#fatal.message}`);
    else if (this.log.isDiskFull) problems.push("the disk is full: durable messages are refused");
    return { ok: problems.length === 0, problems, isFull: this.log.isDiskFull };
  }

  onHealth(callback: (health: EngineHealth) => void): Subscription {
    const listener = (health: EngineHealth): void => callback(health);
    this.#listeners.add(listener);
    return { stop: () => void this.#listeners.delete(listener) };
  }

  /** Called for each batch of the log: how long it took from its write until it was durable. One at a time. */
  onCommit(callback: (seconds: number) => void): void {
    this.#hooks.onCommit = callback;
  }

  drain(deadlineMs: number): Promise<void> {
    const { options, store } = this.#parts;
    return within(options.clock, deadlineMs, Promise.all([this.log.drained(), store.idle()]));
  }

  /**
   * Copies the store into a new directory while it is in use. The log is copied after the control store, so no position
   * in the copy lies behind its end. Open it, or `restoreStore` it. Rejects with the system's error.
   */
  async backup(target: string): Promise<void> {
    const { options, gate, store, format } = this.#parts;
    gate.check();
    const files = options.files ?? nodeFiles;
    await refuseUsedDirectory(files, target);
    await files.makeDirectory(target);
    await store.copyTo(join(target, "control"));
    await this.log.backup(join(target, "log"));
    await writeStoreFormat(files, target, format);
  }

  /** What was called before is still done; later calls are refused with `closed`. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Ends as `kill -9` would: nothing settles any more, nothing is given back. For tests. */
  async abandon(): Promise<void> {
    const { gate, lock, log, store } = this.#parts;
    this.#isClosed = true;
    this.#closed ??= Promise.resolve();
    gate.shut(closedError());
    this.#stop();
    lock.abandon();
    await Promise.all([log.abandon(), store.abandon()]);
  }

  async #close(): Promise<void> {
    const { gate, lock, log, store, options } = this.#parts;
    gate.shut(closedError());
    this.#isClosed = true;
    if (this.#fatal !== undefined) {
      this.#stop();
      lock.abandon();
      return within(options.clock, closeDeadlineMs, Promise.all([log.abandon(), store.abandon()]));
    }
    await Promise.all([log.drained(), store.idle()]);
    this.#stop();
    await Promise.all([log.close(), store.close()]);
    lock.release();
  }

  #stop(): void {
    this.#parts.gate.stopSubscriptions();
    this.#owners.stop();
    this.#listeners.clear();
  }

  #fail(error: Error): void {
    if (this.#fatal !== undefined || this.#isClosed) return;
    const { gate, options } = this.#parts;
    this.#fatal = error;
    gate.shut(new EngineError("unavailable", `the store has failed: ${error.message}`));
    options.logger.error(
      { directory: options.directory, error: String(error) },
      "the store has failed: nothing more is acknowledged; restart from what was last flushed",
    );
    this.#tellHealth();
    options.onFatal?.(error);
  }

  #tellHealth(): void {
    const health = this.health();
    for (const listener of this.#listeners) notify(listener, health);
  }
}

/** What happens before there is an engine to tell is told to it at once. */
class EngineHooks {
  onFatal: (error: Error) => void = (error) => {
    throw error;
  };
  onHealthChanged: () => void = () => undefined;
  onFull: () => void = () => undefined;
  onCommit: (seconds: number) => void = () => undefined;
}

/**
 * Opens the data directory, or makes it. Must be closed. Rejects with StoreError where another process has it (its pid
 * is in the error) or a newer version wrote it; what is damaged is set aside, and reported in `damage` and the log.
 *
 * @example
 * const engine = await openEmbeddedEngine({ directory: "/var/lib/weir", clock, logger });
 * await engine.log.append("default", record); // on the disk
 * await engine.close();
 */
export async function openEmbeddedEngine(options: EmbeddedEngineOptions): Promise<EmbeddedEngine> {
  const { directory, clock, logger } = options;
  const files = options.files ?? nodeFiles;
  const hooks = new EngineHooks();
  await nodeFiles.makeDirectory(directory);
  const lock = await DirectoryLock.acquire(directory, clock, () =>
    hooks.onFatal(new Error(`another process has taken the data directory ${directory}`)),
  );
  try {
    await files.makeDirectory(directory);
    const format = await openStoreFormat(files, directory);
    const gate = new EngineGate();
    const damage = new DamageLog({ files, directory, logger });
    const shared = { options, gate, damage, lock, format };
    const log = openLog(shared, files, hooks);
    const store = openStore(shared, hooks);
    await Promise.allSettled([log, store]);
    const parts = { ...shared, log: await opened(log, store), store: await opened(store, log) };
    await flushNames(directory);
    return new EmbeddedEngine(parts, hooks);
  } catch (error) {
    lock.abandon();
    if (!lock.wasUnclean) lock.release();
    throw error;
  }
}

/** Of two that have settled: where one failed, the other is closed. */
async function opened<T>(part: Promise<T>, other: Promise<{ abandon(): Promise<void> }>): Promise<T> {
  try {
    return await part;
  } catch (error) {
    await other.then(
      (open) => open.abandon(),
      () => undefined,
    );
    throw error;
  }
}

type SharedParts = Omit<EngineParts, "log" | "store">;

function openLog(
  { options, gate, damage, format }: SharedParts,
  files: Files,
  hooks: EngineHooks,
): Promise<EmbeddedLog> {
  const { directory, clock, logger } = options;
  return EmbeddedLog.open({
    gate,
    clock,
    logger,
    files,
    damage,
    directory: join(directory, "log"),
    epoch: format.secret,
    limits: limitsOf(options),
    onFatal: (error) => hooks.onFatal(error),
    onCommit: (seconds) => hooks.onCommit(seconds),
    onFullChanged: (isFull) => {
      if (isFull) logger.warn({ directory }, "the disk is full: appends are refused until there is room");
      else logger.info({ directory }, "the disk has room again");
      hooks.onHealthChanged();
    },
  });
}

async function openStore({ options, damage, lock }: SharedParts, hooks: EngineHooks): Promise<ControlStore> {
  const { directory, clock, logger, flushTimeoutMs = 30_000 } = options;
  const path = join(directory, "control");
  const open = (): ControlStore =>
    new ControlStore({
      directory: path,
      clock,
      flushTimeoutMs,
      onDamage: (key, bytes) =>
        void damage.note({ path: pathOf(path, key), offset: 0, lost: undefined }, bytes),
      onFatal: (error) => hooks.onFatal(error),
      onFull: () => hooks.onFull(),
    });
  if (lock.wasUnclean) await repairControlStore(directory, logger);
  try {
    return open();
  } catch (error) {
    logger.warn({ path, error: String(error) }, "the control store could not be opened");
    await repairControlStore(directory, logger);
    return open();
  }
}

/** LMDB flushes its file, but not the file's name: without this a cut of the power may take all of it. */
async function flushNames(directory: string): Promise<void> {
  await flushPath(join(directory, "control"));
  await flushPath(directory);
  await flushPath(dirname(directory)).catch(() => undefined); // it may be one that only its owner reads
}

/** Damaged entries have no file of their own. */
function pathOf(directory: string, { space, name }: StoreKey): string {
  return join(directory, `${space} ${name}`.replaceAll(/[^\w.-]/g, "_").slice(0, 200));
}

function limitsOf(options: EmbeddedEngineOptions): LogLimits {
  const given = Object.entries(options).filter(
    ([name, value]) => name in defaultLogLimits && value !== undefined,
  );
  return { ...defaultLogLimits, ...(Object.fromEntries(given) as Partial<LogLimits>) };
}

function closedError(): EngineError {
  return new EngineError("closed", "the engine is closed");
}

async function within(clock: Clock, deadlineMs: number, work: Promise<unknown>): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = clock.after(deadlineMs, resolve);
    const done = (): void => {
      timer.cancel();
      resolve();
    };
    work.then(done, done);
  });
}
