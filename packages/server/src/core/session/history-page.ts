import { splitLevels } from "@weir/protocol";
import type { Policy } from "../access/policy.ts";
import type { Seq, StoredRecord } from "../ports/engine.ts";
import type { Message, TopicName } from "../ports/message.ts";
import type { History } from "../history/history.ts";
import { parseSince } from "../history/since.ts";
import type { Router } from "../routing/router.ts";
import { fromRecord } from "../routing/stored-message.ts";
import { intersectLevels } from "../topics/filter-intersection.ts";

export interface HistoryRequest {
  /** An earlier page's `next`, or where the first one begins; undefined: the whole history. */
  readonly since: string | undefined;
  /** Of the history's topics only these; undefined: all. */
  readonly topicFilter: string | undefined;
  readonly limit: number;
}

export interface HistoryMessage {
  readonly message: Message;
  readonly publishedAtMs: number;
  readonly position: string;
}

export interface HistoryPage {
  readonly messages: readonly HistoryMessage[];
  /** Where the next page begins; undefined: this is the last. */
  readonly next: string | undefined;
  /** There was more once of what was asked for. */
  readonly isTruncated: boolean;
}

/** How many records one page looks at, at most: a page may have fewer messages than asked for. */
const maxLookedAt = 10_000;
const batchSize = 500;

interface Start {
  readonly after: Seq;
  readonly sinceMs: number;
  readonly isTruncated: boolean;
}

/** Who reads a history, and when. */
export interface HistoryPageOptions {
  readonly router: Router;
  readonly history: History;
  readonly policy: Policy;
  readonly nowMs: number;
}

/** What a principal may replay of a history, the oldest first; undefined: `since` is none. Rejects with EngineError. */
export async function readHistory(
  options: HistoryPageOptions,
  { since, topicFilter, limit }: HistoryRequest,
): Promise<HistoryPage | undefined> {
  const { router, history } = options;
  const start = startOf(options, since);
  if (!start) return undefined;
  const common = topicFilter === undefined ? history.levels : commonOf(history, topicFilter);
  const messages: HistoryMessage[] = [];
  const wanted = { filters: common ? [common.join("/")] : [], to: router.tailSeq, limit: batchSize };
  let { after } = start;
  let isLast = common === undefined;
  for (let seen = 0; !isLast && messages.length < limit && seen < maxLookedAt;) {
    const records = await router.read(after, wanted);
    const used = take(options, start, records, messages, limit);
    after = records[used - 1]?.seq ?? after;
    isLast = used === records.length && records.length < batchSize;
    seen += used;
  }
  const next = isLast ? undefined : router.positions.encode(after);
  return { messages, next, isTruncated: start.isTruncated };
}

/** Adds what may be shown to the page, until it is full; returns how many records it has gone through. */
function take(
  options: HistoryPageOptions,
  start: Start,
  records: readonly StoredRecord[],
  messages: HistoryMessage[],
  limit: number,
): number {
  const { router } = options;
  let used = 0;
  for (const stored of records) {
    if (messages.length === limit) break;
    used += 1;
    const { seq, record } = stored;
    const topic = router.topic(record.topic);
    if (!mayShow(options, start, stored, topic)) continue;
    const { publishedAtMs } = record;
    messages.push({
      message: fromRecord(record, topic),
      publishedAtMs,
      position: router.positions.encode(seq),
    });
  }
  return used;
}

function mayShow(
  { history, policy, nowMs }: HistoryPageOptions,
  { sinceMs }: Start,
  { seq, record }: StoredRecord,
  { name, levels }: TopicName,
): boolean {
  const { publishedAtMs, expiresAtMs } = record;
  if (!history.has(seq) || publishedAtMs < sinceMs || expiresAtMs <= nowMs) return false;
  const maxAge = policy.replayMaxAge(name, levels);
  return maxAge !== undefined && publishedAtMs >= nowMs - maxAge * 1_000;
}

function commonOf(history: History, topicFilter: string): readonly string[] | undefined {
  return intersectLevels(history.levels, splitLevels(topicFilter));
}

function startOf(
  { router, history, nowMs }: HistoryPageOptions,
  text: string | undefined,
): Start | undefined {
  if (text === undefined) return { after: history.completeFrom, sinceMs: 0, isTruncated: false };
  const since = parseSince(text, nowMs);
  if (!since) return undefined;
  if (since.kind === "time") {
    const { atMs } = since;
    return { after: history.before(atMs), sinceMs: atMs, isTruncated: history.completeFromMs > atMs };
  }
  const seq = router.positions.decode(since.position);
  if (seq === undefined || seq > router.headSeq)
    return { after: history.completeFrom, sinceMs: 0, isTruncated: true };
  return { after: seq, sinceMs: 0, isTruncated: history.completeFrom > seq };
}
