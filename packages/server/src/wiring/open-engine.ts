import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { Engine } from "../core/ports/engine.ts";
import { BackupFolder } from "../engine/embedded/backup-folder.ts";
import { prepareDataDirectory } from "../engine/embedded/data-directory.ts";
import { EmbeddedEngine, openEmbeddedEngine } from "../engine/embedded/embedded-engine.ts";
import type { LogLimits } from "../engine/embedded/log/log-limits.ts";
import { openMemoryEngine } from "../engine/memory/memory-engine.ts";
import type { Basis } from "./basis.ts";

/** Of the embedded engine, in the data directory. */
const STORE_FOLDER = "store";
/** Beside it. */
const BACKUP_FOLDER = "backups";

/** @param onFatal the store has failed: nothing is acknowledged any more */
export async function openEngine(
  config: Config,
  { clock, logger }: Basis,
  onFatal: ((error: Error) => void) | undefined,
): Promise<Engine> {
  if (config.engine === "memory") return openMemoryEngine({ clock });
  await prepareDataDirectory(config.data);
  const directory = join(config.data, STORE_FOLDER);
  return openEmbeddedEngine({
    directory,
    clock,
    logger,
    ...(onFatal && { onFatal }),
    ...logLimitsOf(config),
  });
}

/** Undefined: there is nothing on a disk. */
export function backupFolderOf(config: Config, engine: Engine): BackupFolder | undefined {
  if (!(engine instanceof EmbeddedEngine)) return undefined;
  const [storeDirectory, directory] = [join(config.data, STORE_FOLDER), join(config.data, BACKUP_FOLDER)];
  return new BackupFolder({ source: engine, storeDirectory, directory, limits: logLimitsOf(config) });
}

type ConfiguredLogLimits = Pick<LogLimits, "reserveBytes" | "segmentBytes" | "floorMs" | "floorBytes">;

function logLimitsOf({ limits }: Config): ConfiguredLogLimits {
  return {
    reserveBytes: limits.diskReserveBytes,
    segmentBytes: limits.logSegmentBytes,
    floorMs: limits.logFloorS * 1_000,
    floorBytes: limits.logFloorBytes,
  };
}
