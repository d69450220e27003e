import { topicMatches } from "@weir/protocol";
import { type ScriptResult, shareFilter } from "./core-script.ts";
import { clearing, type Delivered, type ModelClient, type Published, type Wanted } from "./model-client.ts";

/** A saved cursor is at most this old when the broker crashes: a second, and the ticks of two timers. */
const lateMs = 1_300;

interface Judged {
  readonly result: ScriptResult;
  readonly messages: ReadonlyMap<string, Published>;
  readonly hasFailures: boolean;
  /** Queues are short: a message may be missing. */
  readonly mayDrop: boolean;
  readonly problems: string[];
}

/** What MQTT and semantics.md §2 promise, held against what the clients of a script have seen. */
export function problemsOf(result: ScriptResult, hasFailures = false, mayDrop = false): string[] {
  const messages = new Map(result.clients.flatMap((one) => one.published).map((one) => [one.id, one]));
  const judged: Judged = { result, messages, hasFailures, mayDrop, problems: [...result.problems] };
  for (const client of result.clients) {
    checkOrigin(judged, client);
    checkRepeats(judged, client);
    if (!hasFailures) checkOrder(judged, client);
    if (!mayDrop && client.options.isPersistent && client.options.username === undefined)
      checkLosses(judged, client);
  }
  checkGroup(judged);
  checkRetained(judged);
  return judged.problems;
}

/** Nothing that was not asked for. */
function checkOrigin({ messages, problems }: Judged, client: ModelClient): void {
  for (const { id, topic } of client.delivered) {
    if (id === "") continue; // clears a retained message
    const message = messages.get(id);
    const isWanted = client.wanted.some((wanted) => message !== undefined && mayCome(wanted, message));
    if (!isWanted) problems.push(`${name(client)} got ${id} on ${topic} without having asked for it`);
  }
}

/** A PUBLISH given to a link that is busy is read a step later. */
function mayCome(wanted: Wanted, message: Published): boolean {
  const { askedAt, endedAt = Infinity } = wanted;
  return matches(wanted, message) && askedAt <= message.lastSentAt + 1 && endedAt >= message.sentAt;
}

function matches({ topicFilter }: Wanted, { topic }: Published): boolean {
  return topicMatches(topicFilter === shareFilter ? "s/#" : topicFilter, topic);
}

/** QoS 2 once; QoS 1 again only where an acknowledgement was lost, or is too young to have been saved. */
function checkRepeats({ result, messages, problems }: Judged, client: ModelClient): void {
  for (const copies of byMessage(client.delivered)) {
    for (const [index, copy] of copies.entries()) {
      const before = copies[index - 1];
      if (!before || copy.qos === 0 || before.session !== copy.session) continue;
      const message = messages.get(copy.id) as Published;
      // Who takes it directly had it before the log refused it, and the refusal itself may be lost: it comes as a new one.
      if (result.hasRefused && !client.options.isPersistent && message.sendings > 1) continue;
      const isExcused = (copy.qos === 1 || before.qos === 1) && isRepeatExcused(result, message, before);
      if (!isExcused) problems.push(`${name(client)} got ${copy.id} again at QoS ${copy.qos}`);
    }
  }
}

function isRepeatExcused(
  { crashedAtMs, isHeld }: ScriptResult,
  message: Published,
  before: Delivered,
): boolean {
  if (message.qos === 1 && message.sendings > 1) return true;
  const { acknowledgedAtMs } = before;
  if (acknowledgedAtMs === undefined) return true;
  if (crashedAtMs === undefined || acknowledgedAtMs > crashedAtMs) return false;
  return isHeld || acknowledgedAtMs >= crashedAtMs - lateMs; // an engine that is held saves when it is let
}

/** Per publisher, topic and QoS, as first received [MQTT-4.6.0-5, -6]. */
function checkOrder({ messages, mayDrop, problems }: Judged, client: ModelClient): void {
  const last = new Map<string, Published>();
  const seen = new Set<string>();
  for (const { id, qos, retain } of client.delivered) {
    const message = messages.get(id);
    if (!message || retain || seen.has(id) || !wasWanted(client, message)) continue;
    if (mayDrop && message.sendings > 1) continue; // what came may be the second sending
    seen.add(id);
    const key = `${message.by} ${message.topic} ${message.qos} ${qos}`;
    const before = last.get(key);
    if (before && numberOf(before) > numberOf(message))
      problems.push(`${name(client)} got ${id} after ${before.id} (${key})`);
    last.set(key, message);
  }
}

/** What was sent before it was asked for may come late: by a second sending. Members of a group take turns. */
function wasWanted({ wanted, options }: ModelClient, message: Published): boolean {
  return options.username === undefined && wanted.some((one) => wasGranted(one, message));
}

function wasGranted(wanted: Wanted, message: Published): boolean {
  return matches(wanted, message) && (wanted.grantedAt ?? Infinity) < message.sentAt;
}

function numberOf({ id }: Published): number {
  return Number(id.replaceAll(/\D/g, ""));
}

function checkLosses({ messages, problems }: Judged, client: ModelClient): void {
  const got = new Set(client.delivered.map((one) => one.id));
  for (const message of messages.values()) {
    if (!message.isAcknowledged || message.id.startsWith(clearing) || got.has(message.id)) continue;
    const owed = client.wanted.find((wanted) => isOwed(wanted, message));
    if (owed)
      problems.push(`${name(client)} never got ${message.id} (QoS ${message.qos}) on ${message.topic}`);
  }
}

/** The subscription was granted before, and it or what has replaced it is there to the end. */
function isOwed(wanted: Wanted, message: Published): boolean {
  const { grantedAt = Infinity, endedAt = Infinity } = wanted;
  if (
    message.qos === 0 ||
    !matches(wanted, message) ||
    grantedAt >= message.sentAt ||
    endedAt < message.sentAt
  )
    return false;
  for (let one: Wanted | "unsubscribe" | undefined = wanted; one !== undefined; one = one.endedBy) {
    if (one === "unsubscribe" || one.qos === 0) return false;
  }
  return true;
}

/** Each message to one member; to another only where it may not have been received by the first. */
function checkGroup({ result, messages, mayDrop, problems }: Judged): void {
  const members = result.clients.filter((client) => client.options.username !== undefined);
  const copies = new Map<string, Delivered[]>();
  for (const { delivered } of members)
    for (const one of delivered) copies.set(one.id, [...(copies.get(one.id) ?? []), one]);
  for (const message of messages.values()) {
    const got = copies.get(message.id) ?? [];
    const isOwed = members.some(({ wanted }) => wanted.some((one) => wasGranted(one, message)));
    if (!mayDrop && got.length === 0 && isOwed && message.isAcknowledged && message.qos > 0)
      problems.push(`the group never got ${message.id} (QoS ${message.qos})`);
    const answered = got.filter((one) => !isRepeatExcused(result, message, one));
    if (answered.length > 1) problems.push(`the group got ${message.id} ${got.length} times`);
  }
}

/** The last that was acknowledged, or one that was sent later. */
function checkRetained({ result, messages, problems }: Judged): void {
  for (const topic of ["r/P1", "r/P2"]) {
    const all = [...messages.values()].filter((message) => message.topic === topic && isStanding(message));
    const acknowledged = all.filter((message) => message.isAcknowledged);
    const last = acknowledged.at(-1);
    const fine = all.filter((message) => !last || message.lastSentAt >= last.sentAt);
    const found = result.retained.get(topic);
    const isFine = fine.some(
      (message) => (message.id.startsWith(clearing) ? undefined : message.id) === found,
    );
    if (!isFine && (last || found !== undefined))
      problems.push(`${topic} retains ${found}, after ${last?.id} was acknowledged`);
  }
}

/** Where the outcome of the first sending is unknown, the second may be refused. */
function isStanding({ isRefused, sendings }: Published): boolean {
  return !isRefused || sendings > 1;
}

function byMessage(delivered: readonly Delivered[]): Delivered[][] {
  const copies = new Map<string, Delivered[]>();
  for (const one of delivered) {
    if (one.retain || one.id === "") continue;
    const known = copies.get(one.id);
    if (known) known.push(one);
    else copies.set(one.id, [one]);
  }
  return [...copies.values()];
}

function name(client: ModelClient): string {
  return client.options.clientId;
}
