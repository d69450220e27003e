import { Command } from "commander";
import type { BuiltCommand } from "../program.ts";
import type { CommandContext } from "../command-context.ts";
export function createCheckConfigCommand(_context: CommandContext, argv: readonly string[]): BuiltCommand {
  return { command: new Command("check-config"), argv };
}
