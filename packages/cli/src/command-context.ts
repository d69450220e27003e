import type { Colors } from "picocolors/types.js";

/** All that a command sees of the process that it runs in. */
export interface CommandContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Colours on a terminal, plain text elsewhere. */
  readonly colors: Colors;
  /** Ends the process at once, for a second Ctrl-C. */
  exit(code: number): never;
  /** Calls back at each of these signals, which then no longer end the process by themselves. */
  onSignal(names: readonly NodeJS.Signals[], callback: (name: NodeJS.Signals) => void): void;
}
