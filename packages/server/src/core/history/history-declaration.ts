import { isShared, isTopicFilter } from "@weir/protocol";

/** Topics that are always logged, and how much of them is kept. */
export interface HistoryDeclaration {
  readonly filter: string;
  /** Seconds. */
  readonly maxAge: number;
  readonly maxBytes: number;
  /** Delivered messages say who published them (product.md, "Verified publisher"). */
  readonly verifiedPublisher: boolean;
}

/** The declaration cannot be accepted; the message names the member and says what to write instead. */
export class HistoryDeclarationError extends Error {
  override readonly name = "HistoryDeclarationError";
}

/** What a history keeps unless it says so: 7 days, 1 GiB. */
const defaultMaxAge = 7 * 86_400;
const defaultMaxBytes = 1_073_741_824;

const keys: readonly string[] = ["filter", "maxAge", "maxBytes", "verifiedPublisher"];
const maxFilterBytes = 1_024;
const maxFilterLevels = 128;

/**
 * Takes a history from REST or configuration.
 *
 * @throws {HistoryDeclarationError} naming the first thing that is wrong
 */
export function parseHistory(value: unknown): HistoryDeclaration {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new HistoryDeclarationError('must be an object such as {"filter": "data/#", "maxAge": 86400}');
  const given = value as Readonly<Record<string, unknown>>;
  const unknownKey = Object.keys(given).find((key) => !keys.includes(key));
  if (unknownKey !== undefined)
    throw new HistoryDeclarationError(`${unknownKey}: is not known; possible are ${keys.join(", ")}`);
  return {
    filter: parseFilter(given["filter"]),
    maxAge: parseBound("maxAge", given["maxAge"] ?? defaultMaxAge, "seconds"),
    maxBytes: parseBound("maxBytes", given["maxBytes"] ?? defaultMaxBytes, "bytes"),
    verifiedPublisher: parseFlag(given["verifiedPublisher"] ?? false),
  };
}

function parseFilter(filter: unknown): string {
  const isPossible =
    typeof filter === "string" &&
    isTopicFilter(filter, { maxBytes: maxFilterBytes, maxLevels: maxFilterLevels });
  if (!isPossible)
    throw new HistoryDeclarationError(
      `filter: must be a topic filter such as "data/#" of at most ${maxFilterBytes} bytes`,
    );
  if (isShared(filter) || filter === "$client" || filter.startsWith("$client/"))
    throw new HistoryDeclarationError("filter: $share and $client are in no history; name the topics");
  return filter;
}

function parseBound(member: string, value: unknown, unit: string): number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw new HistoryDeclarationError(`${member}: must be a whole number of ${unit}, 1 or more`);
}

function parseFlag(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new HistoryDeclarationError("verifiedPublisher: must be true or false");
}
