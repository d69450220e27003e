import { join } from "node:path";
import type { Clock } from "../../../core/ports/clock.ts";
import type { Logger } from "../../../core/ports/telemetry.ts";
import {
  EngineError,
  type AppendResult,
  type Log,
  type LogRecord,
  type Position,
  type ReadOptions,
  type Seq,
  type StoredRecord,
  type Subscription,
} from "../../../core/ports/engine.ts";
import type { DamageLog } from "../damage-log.ts";
import type { Files } from "../disk/files.ts";
import type { EngineGate } from "../engine-gate.ts";
import { BlockCache } from "../segment/block-cache.ts";
import { BlockLoader } from "../segment/block-loader.ts";
import { ReadHandles } from "../segment/read-handles.ts";
import type { LogLimits } from "./log-limits.ts";
import { recoverLog } from "./log-recovery.ts";
import { SpaceGuard } from "./space-guard.ts";
import { tenantDirectoryName, tenantOfDirectory } from "./tenant-directory.ts";
import { TenantLog } from "./tenant-log.ts";

export interface EmbeddedLogOptions {
  readonly gate: EngineGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly files: Files;
  /** The log's own. */
  readonly directory: string;
  readonly epoch: Uint8Array;
  readonly limits: LogLimits;
  readonly damage: DamageLog;
  readonly onFatal: (error: Error) => void;
  readonly onCommit: (seconds: number) => void;
  readonly onFullChanged: (isFull: boolean) => void;
}

const shard = 0;

/** All tenants' logs in one directory, each in its own. */
export class EmbeddedLog implements Log {
  readonly durability = "fsync";
  readonly shards = 1;
  readonly #options: EmbeddedLogOptions;
  readonly #logs = new Map<string, TenantLog>();
  readonly #loader: BlockLoader;
  readonly #space: SpaceGuard;
  #lastTenant: string | undefined;
  #lastLog: TenantLog | undefined;

  private constructor(options: EmbeddedLogOptions) {
    const { files, limits, damage, directory, clock, onFullChanged } = options;
    this.#options = options;
    const cache = new BlockCache(limits.cacheBytes);
    this.#loader = new BlockLoader({ handles: new ReadHandles(files), cache, damage });
    const { reserveBytes } = limits;
    this.#space = new SpaceGuard({ files, directory, clock, reserveBytes, onChange: onFullChanged });
  }

  /** Recovers what is in the directory. Rejects with StoreError or the system's error. */
  static async open(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
    const log = new EmbeddedLog(options);
    const { files, directory } = options;
    await files.makeDirectory(directory);
    for (const name of await files.list(directory)) {
      const tenant = tenantOfDirectory(name);
      if (tenant !== undefined) await log.#recover(tenant);
    }
    await log.#space.start();
    return log;
  }

  get isDiskFull(): boolean {
    return this.#space.isFull;
  }

  /** The system has refused a write for want of space. */
  refused(): void {
    this.#space.refused();
  }

  get tenants(): ReadonlyMap<string, TenantLog> {
    return this.#logs;
  }

  shardOf(): number {
    return shard;
  }

  append(tenant: string, record: LogRecord, id?: string): Promise<AppendResult> {
    try {
      if (!this.#options.gate.isOpen) this.#options.gate.check();
      if (this.#space.isFull) throw new EngineError("full", "the disk is full");
      return this.#of(tenant).append(record, id);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async lookup(tenant: string, id: string): Promise<AppendResult | undefined> {
    this.#options.gate.check();
    return this.#of(tenant).lookup(id);
  }

  /** There is one node: it honours what its sessions want without being told. */
  async interest(): Promise<void> {
    this.#options.gate.check();
  }

  tail(tenant: string, after: Position, callback: (stored: StoredRecord) => void): Subscription {
    const { gate } = this.#options;
    if (!gate.isOpen) return { stop: () => undefined };
    const tail = this.#of(tenant).tail(after[shard] ?? 0, callback);
    return gate.subscription(() => tail.stop());
  }

  async *read(
    tenant: string,
    after: Position,
    options: ReadOptions = {},
  ): AsyncIterable<readonly StoredRecord[]> {
    const { gate } = this.#options;
    gate.check();
    const log = this.#of(tenant);
    const { filters, to: end, limit, signal } = options;
    const to = end === undefined ? log.shown : Math.min(end[shard] ?? 0, log.shown);
    const range = { from: (after[shard] ?? 0) + 1, to, filters, signal, limit: limit ?? Infinity };
    for await (const records of log.read(range)) {
      gate.check();
      yield records;
    }
  }

  async fetch(tenant: string, wanted: number, seqs: readonly Seq[]): Promise<readonly StoredRecord[]> {
    this.#options.gate.check();
    return wanted === shard ? this.#of(tenant).fetch(seqs) : [];
  }

  release(tenant: string, wanted: number, before: Seq, keep: (seq: Seq) => boolean): void {
    if (wanted === shard && this.#options.gate.isOpen) this.#of(tenant).release(before, keep);
  }

  async forget(tenant: string): Promise<void> {
    this.#options.gate.check();
    const log = this.#logs.get(tenant);
    this.#logs.delete(tenant);
    this.#lastTenant = this.#lastLog = undefined;
    await log?.close();
    for (const { path } of log?.segments ?? []) await this.#loader.handles.close(path);
    await this.#removeDirectory(this.#directoryOf(tenant));
  }

  bounds(
    tenant: string,
    wanted: number,
  ): { readonly first: Seq; readonly head: Seq; readonly bytes: number } {
    return wanted === shard ? this.#of(tenant).bounds : { first: 1, head: 0, bytes: 0 };
  }

  /** Resolves when everything that was appended is settled. */
  async drained(): Promise<void> {
    await Promise.all([...this.#logs.values()].map((log) => log.drained()));
  }

  /** Resolves when no compaction goes on. */
  async trimmed(): Promise<void> {
    await Promise.all([...this.#logs.values()].map((log) => log.trimmed()));
  }

  /** Copies what is on the disk, tenant by tenant, while appends go on. */
  async backup(target: string): Promise<void> {
    const { files } = this.#options;
    await files.makeDirectory(target);
    for (const [tenant, log] of this.#logs) {
      if (log.segments.length > 0) await log.backup(join(target, tenantDirectoryName(tenant)));
    }
    await files.flushDirectory(target);
  }

  async close(): Promise<void> {
    this.#space.stop();
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
    await this.#loader.handles.closeAll();
  }

  /** As after `kill -9`: nothing settles any more. */
  async abandon(): Promise<void> {
    this.#space.stop();
    await Promise.all([...this.#logs.values()].map((log) => log.abandon()));
    await this.#loader.handles.closeAll();
  }

  #of(tenant: string): TenantLog {
    if (this.#lastTenant === tenant) return this.#lastLog!;
    const log = this.#logs.get(tenant) ?? this.#create(tenant, { segments: [], head: 0, ids: [] });
    this.#lastTenant = tenant;
    this.#lastLog = log;
    return log;
  }

  async #recover(tenant: string): Promise<void> {
    const { limits, files, damage } = this.#options;
    const recovered = await recoverLog({
      ...limits,
      files,
      damage,
      directory: this.#directoryOf(tenant),
      identity: { tenant, epoch: this.#options.epoch },
    });
    this.#create(tenant, recovered);
  }

  #create(tenant: string, recovered: Awaited<ReturnType<typeof recoverLog>>): TenantLog {
    const { clock, files, limits, epoch, logger, onFatal, onCommit } = this.#options;
    const log = new TenantLog({
      clock,
      files,
      limits,
      recovered,
      loader: this.#loader,
      directory: this.#directoryOf(tenant),
      identity: { tenant, epoch },
      isDiskFull: () => this.#space.isFull,
      onAppended: (bytes) => this.#space.wrote(bytes),
      onFull: () => this.refused(),
      onFatal,
      onCommit,
      onError: (error, text) => logger.warn({ tenant, error: String(error) }, text),
    });
    this.#logs.set(tenant, log);
    return log;
  }

  async #removeDirectory(directory: string): Promise<void> {
    const { files } = this.#options;
    const names = await files.list(directory);
    for (const name of names) await files.unlink(join(directory, name));
    if (names.length > 0) await files.flushDirectory(directory);
    await files.removeDirectory(directory);
    await files.flushDirectory(this.#options.directory);
  }

  #directoryOf(tenant: string): string {
    return join(this.#options.directory, tenantDirectoryName(tenant));
  }
}
