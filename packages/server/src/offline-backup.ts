import { SystemClock } from "./clock/system-clock.ts";
import type { Logger } from "./core/ports/telemetry.ts";
import { openEmbeddedEngine } from "./engine/embedded/embedded-engine.ts";

/**
 * Backs up a store that no process has: opens it as a start of the broker would, so that what a crash left is put right
 * first. Resolves when the copy is on the disk. Rejects with StoreError (`locked` where a process has the store), or
 * with the system's error.
 */
export async function backupOffline(directory: string, target: string, logger: Logger): Promise<void> {
  const clock = new SystemClock();
  try {
    const engine = await openEmbeddedEngine({ directory, clock, logger });
    try {
      await engine.backup(target);
    } finally {
      await engine.close();
    }
  } finally {
    clock.close();
  }
}
