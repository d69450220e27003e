import { stripVTControlCharacters } from "node:util";
import type { CommandContext } from "../command-context.ts";

const GAP = "  ";

/** Prints rows below their heads, each column as wide as its widest cell. What a peer chose cannot steer the terminal. */
export function printTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  { stdout, colors }: CommandContext,
): void {
  const cells = rows.map((row) => row.map(harmless));
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(GAP)
      .trimEnd();
  stdout.write(`${colors.dim(line(heads))}\n`);
  for (const row of cells) stdout.write(`${line(row)}\n`);
}

function harmless(cell: string): string {
  return stripVTControlCharacters(cell).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
