import {
  type HistoryDeclaration,
  HistoryDeclarationError,
  parseHistory,
} from "../core/history/history-declaration.ts";
import { isObjectName } from "../core/objects/named-objects.ts";

export interface HistoryList {
  readonly histories: ReadonlyMap<string, HistoryDeclaration>;
  /** What is wrong with the others: a sentence each, with its place. */
  readonly problems: readonly string[];
}

/** The value of `histories`: a list of declarations, each with a name of its own. */
export function parseHistories(items: readonly unknown[]): HistoryList {
  const histories = new Map<string, HistoryDeclaration>();
  const problems: string[] = [];
  for (const [index, item] of items.entries()) {
    try {
      const { name, declaration } = parseNamed(item);
      if (histories.has(name)) throw new HistoryDeclarationError(`name: ${name} is taken by another history`);
      histories.set(name, declaration);
    } catch (error) {
      if (!(error instanceof HistoryDeclarationError)) throw error;
      problems.push(`histories[${index}].${error.message}`);
    }
  }
  return { histories, problems };
}

function parseNamed(item: unknown): { name: string; declaration: HistoryDeclaration } {
  const { name, ...declared } = (item ?? {}) as { readonly name?: unknown };
  if (typeof name !== "string" || !isObjectName(name))
    throw new HistoryDeclarationError(
      'name: must be 1 to 128 characters of 0-9 A-Z a-z . _ -, as in {name: telemetry, filter: "data/#"}',
    );
  return { name, declaration: parseHistory(declared) };
}
