import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface StormReport {
  /** When each client was let in, in ms from the start, in order. */
  readonly admittedAtMs: readonly number[];
  /** CONNACKs that refused; those clients came again. */
  readonly refused: number;
  /** Connections that ended without a CONNACK; those clients came again, too. */
  readonly cut: number;
}

export interface Storm {
  /** Everybody is connected. */
  readonly over: Promise<StormReport>;
  /** Cuts all of them off. */
  end(): Promise<void>;
}

const main = fileURLToPath(new URL("storm-main.ts", import.meta.url));

/** So many clients that all want in now, and come again until they are, from a process of their own. */
export function startStorm(options: { port: number; count: number; password?: string }): Storm {
  const execArgv = ["--conditions=@weir/source", "--disable-warning=ExperimentalWarning"];
  const child = fork(main, [JSON.stringify(options)], { execArgv });
  const ended = once(child, "exit");
  const failed = ended.then(() => {
    throw new Error("the storm has ended before its time");
  });
  failed.catch(() => undefined);
  return {
    over: Promise.race([once(child, "message").then(([report]) => report as StormReport), failed]),
    async end() {
      if (child.connected) child.send("end");
      await ended;
    },
  };
}
