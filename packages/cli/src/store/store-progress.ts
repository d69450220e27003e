import type { Progress } from "@weir/server";
import { LiveLine } from "../live-line.ts";
import { byteText } from "./byte-text.ts";

const QUIET_MS = 1_000;
const INTERVAL_MS = 250;

/** Shows how far something is, once it takes longer than a second. */
export async function withProgress<Result>(
  doing: string,
  stderr: NodeJS.WriteStream,
  run: (onProgress: (progress: Progress) => void) => Promise<Result>,
): Promise<Result> {
  const line = new LiveLine(stderr);
  const startedAtMs = performance.now();
  let latest: Progress | undefined;
  const timer = setInterval(() => {
    const elapsedMs = performance.now() - startedAtMs;
    if (elapsedMs >= QUIET_MS) line.show(`${doing}: ${progressText(latest, elapsedMs)}`);
  }, INTERVAL_MS);
  try {
    return await run((progress) => (latest = progress));
  } finally {
    clearInterval(timer);
    line.clear();
  }
}

function progressText(progress: Progress | undefined, elapsedMs: number): string {
  const elapsed = `${Math.floor(elapsedMs / 1_000)} s`;
  if (progress === undefined) return elapsed;
  const { doneBytes, totalBytes } = progress;
  // What grows meanwhile may become more than was expected.
  const percent = totalBytes === 0 ? 100 : Math.min(100, Math.floor((doneBytes / totalBytes) * 100));
  return `${percent} %, ${byteText(doneBytes)} of ${byteText(Math.max(doneBytes, totalBytes))}, ${elapsed}`;
}
