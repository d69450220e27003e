import { topicMatches } from "@weir/protocol";
import type { Ledger, Received, Sent } from "./ledger.ts";
import type { TortureClient } from "./torture-client.ts";

/** Of cursors: a second, the ticks of two timers, and a flush on a machine that does much else. */
const LATE_MS = 1_500;
/** An answer that was on its way when the client cut the connection. */
const CUT_MS = 500;

/** How often an application got something again, where it was allowed. */
export interface Verdict {
  readonly problems: readonly string[];
  readonly repeats: number;
}

/** What MQTT and semantics.md §2 promise, held against what the clients saw. */
export function judge(ledger: Ledger, clients: readonly TortureClient[]): Verdict {
  const problems = [...ledger.problems];
  const members = clients.filter((client) => shareOf(client) !== undefined);
  let repeats = 0;
  for (const client of clients) {
    if (!members.includes(client)) {
      const isPersistent = client.options.sessionExpiryS !== 0;
      for (const received of isPersistent ? [client.received] : byConnection(client.received)) {
        repeats += checkRepeats(ledger, nameOf(client), copiesOf(received), problems);
      }
      checkOrder(ledger, client, problems);
    }
    problems.push(
      ...missedBy(ledger, client).map((one) => `${nameOf(client)} never got ${one.id} (${describe(one)})`),
    );
  }
  const together = members.flatMap((one) => one.received);
  repeats += checkRepeats(
    ledger,
    "the group",
    copiesOf(together.sort((a, b) => a.receivedAt - b.receivedAt)),
    problems,
  );
  problems.push(
    ...missedByGroup(ledger, members).map((one) => `the group never got ${one.id} (${describe(one)})`),
  );
  return { problems, repeats };
}

/** Acknowledged to the publisher after the subscription was acknowledged to the client, and not received. */
export function missedBy(ledger: Ledger, client: TortureClient): Sent[] {
  if (shareOf(client) !== undefined || client.options.sessionExpiryS === 0) return [];
  const got = new Set(client.received.map((one) => one.id));
  return [...ledger.sent.values()].filter((sent) => !got.has(sent.id) && isOwed(client, sent));
}

export function missedByGroup(ledger: Ledger, members: readonly TortureClient[]): Sent[] {
  const got = new Set(members.flatMap((one) => one.received).map((one) => one.id));
  return [...ledger.sent.values()].filter(
    (sent) => !got.has(sent.id) && members.some((member) => isOwed(member, sent)),
  );
}

/** By topic: the last retained message that was acknowledged. */
export function retainedDue(ledger: Ledger): Map<string, Sent> {
  const due = new Map<string, Sent>();
  for (const sent of ledger.sent.values()) {
    if (sent.retain && sent.isAcknowledged && sent.number > (due.get(sent.topic)?.number ?? 0))
      due.set(sent.topic, sent);
  }
  return due;
}

/** A message of QoS 1 that is sent again is a new one to the broker, also behind one of QoS 2 that it knows. */
export function mayFollow(found: Sent, acknowledged: Sent): boolean {
  if (found.number >= acknowledged.number) return true;
  return found.qos === 1 && found.lastSentAt >= acknowledged.sentAt;
}

/** Of a member of a group: the filter that it shares. */
export function shareOf({ options }: TortureClient): string | undefined {
  const shared = options.filters?.find(({ topicFilter }) => topicFilter.startsWith("$share/"));
  return shared?.topicFilter.split("/").slice(2).join("/");
}

function isOwed(client: TortureClient, { topic, sentAt, isAcknowledged }: Sent): boolean {
  if (!isAcknowledged) return false;
  return [...client.grantedAt].some(([filter, grantedAt]) => {
    return grantedAt < sentAt && topicMatches(shareOf(client) ?? filter, topic);
  });
}

/** QoS 2 once. QoS 1 again only where an acknowledgement was lost, or was too young to be saved. */
function checkRepeats(
  ledger: Ledger,
  name: string,
  copies: Map<string, Received[]>,
  problems: string[],
): number {
  let repeats = 0;
  for (const [id, all] of copies) {
    repeats += all.length - 1;
    for (const before of all.slice(0, -1)) {
      const sent = ledger.sent.get(id);
      if (!sent) continue;
      if (!isRepeatExcused(ledger, sent, before)) {
        problems.push(
          `${name} got ${id} ${all.length} times (${describe(sent)}, received at QoS ${before.qos})`,
        );
      }
    }
  }
  return repeats;
}

function isRepeatExcused({ ends }: Ledger, sent: Sent, before: Received): boolean {
  if (sent.qos === 1 && sent.sendings > 1) return true;
  if (before.qos === 2) return false;
  const { answeredAtMs, connection } = before;
  if (answeredAtMs === undefined) return true;
  const { endedAtMs } = connection;
  if (endedAtMs !== undefined && endedAtMs - answeredAtMs <= CUT_MS) return true;
  return ends.some(({ atMs, goneAtMs }) => answeredAtMs >= atMs - LATE_MS && answeredAtMs <= goneAtMs);
}

/** Per publisher, topic and QoS, as first received [MQTT-4.6.0-5, -6]. */
function checkOrder(ledger: Ledger, client: TortureClient, problems: string[]): void {
  const isPersistent = client.options.sessionExpiryS !== 0;
  for (const received of isPersistent ? [client.received] : byConnection(client.received))
    checkOrderOf(received, ledger, client, problems);
}

function checkOrderOf(
  received: readonly Received[],
  ledger: Ledger,
  client: TortureClient,
  problems: string[],
): void {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const { id, topic, qos, retain, connection } of received) {
    const sent = ledger.sent.get(id);
    if (!sent && !retain && !id.startsWith("will-"))
      problems.push(`${nameOf(client)} got ${id}, which is not new`);
    if (!sent || retain || seen.has(id)) continue;
    seen.add(id);
    // Sent first when nobody was subscribed here, and again when somebody was
    if (client.options.sessionExpiryS === 0 && sent.sendings > 1 && sent.sentAt < connection.grantedAt)
      continue;
    if (sent.topic !== topic)
      problems.push(`${nameOf(client)} got ${id} on ${topic} instead of ${sent.topic}`);
    const key = `${sent.by} ${topic} ${sent.qos} ${qos}`;
    const before = last.get(key) ?? 0;
    if (before > sent.number) problems.push(`${nameOf(client)} got ${id} after number ${before} (${key})`);
    last.set(key, sent.number);
  }
}

/** A session that ends with its connection may get again what another got, when the publisher sends it anew. */
function byConnection(received: readonly Received[]): Received[][] {
  return [...Map.groupBy(received, (one) => one.connection).values()];
}

function copiesOf(received: readonly Received[]): Map<string, Received[]> {
  const copies = new Map<string, Received[]>();
  for (const one of received) {
    if (one.retain) continue;
    const known = copies.get(one.id);
    if (known) known.push(one);
    else copies.set(one.id, [one]);
  }
  return copies;
}

function describe({ qos, topic, sendings }: Sent): string {
  return `QoS ${qos} on ${topic}, sent ${sendings} times`;
}

function nameOf(client: TortureClient): string {
  return client.options.name;
}
