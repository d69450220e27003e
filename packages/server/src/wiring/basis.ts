import { SystemClock } from "../clock/system-clock.ts";
import type { Config } from "../config/config.ts";
import type { Clock } from "../core/ports/clock.ts";
import { type Counters, createCounters, type Logger } from "../core/ports/telemetry.ts";
import { createLogger, type LogStream } from "../telemetry/logger.ts";

/** What is there before anything is opened. */
export interface Basis {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The broker's own; of clients' messages those of the tenant `default`. */
  readonly counters: Counters;
}

export interface BasisOptions {
  readonly adminToken?: string | undefined;
  readonly logStream?: LogStream;
  readonly clock?: Clock;
}

export function layBasis(config: Config, { adminToken, logStream, clock }: BasisOptions): Basis {
  const logger = createLogger({
    level: config.log.level,
    stream: logStream ?? process.stderr,
    secrets: adminToken === undefined ? [] : [adminToken],
  });
  return { clock: clock ?? new SystemClock(), counters: createCounters(), logger };
}
