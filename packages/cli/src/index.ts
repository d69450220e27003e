export type { CommandContext } from "./command-context.ts";
export { runProgram } from "./program.ts";
