import type { Clock } from "../src/core/ports/clock.ts";
import { DamageLog } from "../src/engine/embedded/damage-log.ts";
import type { Files } from "../src/engine/embedded/disk/files.ts";
import { EngineGate } from "../src/engine/embedded/engine-gate.ts";
import { EmbeddedLog } from "../src/engine/embedded/log/embedded-log.ts";
import { defaultLogLimits, type LogLimits } from "../src/engine/embedded/log/log-limits.ts";

export interface OpenedLog {
  readonly log: EmbeddedLog;
  readonly gate: EngineGate;
  readonly damage: DamageLog;
  readonly fatal: Error[];
  readonly warnings: string[];
}

/** Small enough that a few dozen records fill several segments and blocks. */
export const smallLimits: LogLimits = {
  ...defaultLogLimits,
  segmentBytes: 2_048,
  blockBytes: 512,
  cacheBytes: 1_024,
  floorMs: 0,
  floorBytes: 0,
  reserveBytes: 0,
};

/** The embedded engine's log alone, on any disk. */
export async function openLog(
  files: Files,
  clock: Clock,
  limits: Partial<LogLimits> = {},
  secret: Uint8Array = new Uint8Array(16).fill(7),
): Promise<OpenedLog> {
  const warnings: string[] = [];
  const fatal: Error[] = [];
  const note = (fields: object, text: string): void =>
    void warnings.push(`${text} ${JSON.stringify(fields)}`);
  const logger = { debug: note, info: note, warn: note, error: note };
  const gate = new EngineGate();
  const damage = new DamageLog({ files, directory: "/data", logger });
  const log = await EmbeddedLog.open({
    gate,
    clock,
    logger,
    files,
    directory: "/data/log",
    epoch: secret,
    limits: { ...smallLimits, ...limits },
    damage,
    onFatal: (error) => fatal.push(error),
    onCommit: () => undefined,
    onFullChanged: () => undefined,
  });
  return { log, gate, damage, fatal, warnings };
}
