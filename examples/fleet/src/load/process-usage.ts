import { readFileSync } from "node:fs";

/** What a process has used so far (Linux). */
export interface ProcessUsage {
  /** Seconds of CPU time. */
  readonly cpuS: number;
  /** Bytes of memory of its own. */
  readonly anonymousBytes: number;
}

const TICKS_PER_S = 100;

/** Undefined if there is no such process. */
export function readUsage(pid: number): ProcessUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces; what is counted stands behind it
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kilobytes = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0);
    return { cpuS: ticks / TICKS_PER_S, anonymousBytes: kilobytes * 1_024 };
  } catch {
    return undefined;
  }
}
