import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { topicMatches } from "@weir/protocol";
import { Random } from "../random.ts";
import { readDiskJournal, type DiskOperation } from "./disk-journal.ts";
import { buildDiskShim } from "./disk-shim.ts";
import { Ledger, type Sent } from "./ledger.ts";
import { PowerCutDisk } from "./power-cut-disk.ts";
import { ServeProcess } from "./serve-process.ts";
import { createClients } from "./torture-clients.ts";
import { TortureClient } from "./torture-client.ts";

export interface PowerCutOptions {
  readonly seed: number;
  readonly cuts: number;
  readonly directory: string;
  readonly onProgress?: (line: string) => void;
}

export interface PowerCutReport {
  readonly problems: readonly string[];
  readonly operations: number;
  readonly flushes: number;
  /** Acknowledged before each of the cuts. */
  readonly acknowledged: readonly number[];
}

const MESSAGES_PER_PUBLISHER = 150;
const DEADLINE_MS = 20_000;
const STEP_MS = 20;
const waiting = { topicFilter: "t/#", qos: 2 } as const;

/** Records what `weir serve` does to its disk, and starts it on the disk as cuts of the power would have left it. */
export async function cutPower({
  seed,
  cuts,
  directory,
  onProgress,
}: PowerCutOptions): Promise<PowerCutReport> {
  const ledger = new Ledger();
  const random = new Random(seed);
  const { operations, readyAtMs } = await record(ledger, seed, directory);
  const problems = [...ledger.problems];
  const acknowledged: number[] = [];
  const first = operations.findIndex(({ atMs }) => atMs > readyAtMs);
  for (let cut = 1; cut <= cuts; cut += 1) {
    const count = first + random.below(operations.length - first);
    const disk = new PowerCutDisk(join(directory, "data"));
    for (const operation of operations.slice(0, count)) disk.apply(operation);
    const after = join(directory, `cut-${cut}`);
    mkdirSync(join(after, "data"), { recursive: true, mode: 0o700 });
    disk.cutTo(join(after, "data"), random);
    const cutAtMs = operations[count]?.atMs ?? Infinity;
    const due = [...ledger.sent.values()].filter((sent) => (sent.acknowledgedAtMs ?? Infinity) < cutAtMs);
    acknowledged.push(due.length);
    const found = await problemsAfter(after, join(directory, "compiled"), due, ledger);
    onProgress?.(`cut ${cut} of ${cuts}: ${due.length} acknowledged before it, ${found.length} problems`);
    problems.push(...found.map((problem) => `cut ${cut} behind operation ${count}: ${problem}`));
  }
  const flushes = operations.filter(({ kind }) => kind === "flush").length;
  return { problems, operations: operations.length, flushes, acknowledged };
}

/** Publishers, one subscriber that is there and one that is away. */
async function record(
  ledger: Ledger,
  seed: number,
  directory: string,
): Promise<{ operations: DiskOperation[]; readyAtMs: number }> {
  const journal = join(directory, "journal");
  const shim = await buildDiskShim(directory);
  const environment = { ...shim, DISK_JOURNAL: journal, DISK_WATCHED: join(directory, "data") };
  const broker = new ServeProcess({ directory, environment });
  const port = await broker.port;
  if (port === undefined) throw new Error(`the broker did not start:\n${broker.output}`);
  const { publishers, subscribers } = createClients(ledger, seed);
  const away = new TortureClient({ name: "away", filters: [waiting] }, ledger, new Random(seed));
  for (const client of [away, ...subscribers]) client.connect(port);
  await until(() => away.isQuiet && away.grantedAt.size > 0, "the subscription was granted");
  const readyAtMs = monotonicMs();
  away.leave();
  for (const publisher of publishers) {
    publisher.quota = MESSAGES_PER_PUBLISHER;
    publisher.window = 10;
    publisher.connect(port);
  }
  await until(() => publishers.every((one) => one.quota === 0 && one.isQuiet), "all is acknowledged");
  await broker.end("SIGKILL");
  await Promise.all([...publishers, ...subscribers].map((client) => client.gone));
  return { operations: readDiskJournal(journal), readyAtMs };
}

async function problemsAfter(
  directory: string,
  compiled: string,
  due: readonly Sent[],
  before: Ledger,
): Promise<string[]> {
  const broker = new ServeProcess({ directory, environment: { NODE_COMPILE_CACHE: compiled } });
  const port = await broker.port;
  if (port === undefined) return [`the broker did not start:\n${broker.output}`];
  const ledger = new Ledger();
  const resumes = { name: "away", resumes: true };
  const away = new TortureClient(resumes, ledger, new Random(1));
  const retained = { name: "probe", sessionExpiryS: 0, filters: [{ topicFilter: "r/+", qos: 0 as const }] };
  const probe = new TortureClient(retained, ledger, new Random(2));
  for (const client of [away, probe]) {
    client.isEager = true;
    client.connect(port);
  }
  const wanted = due.filter(({ topic }) => topicMatches(waiting.topicFilter, topic));
  const kept = lastRetained(due);
  const missing = (): Sent[] => wanted.filter(({ id }) => !away.received.some((one) => one.id === id));
  const isThere = (): boolean => missing().length === 0 && probe.received.length >= kept.size;
  await until(isThere, "").catch(() => undefined);
  ledger.problems.push(...missing().map(({ id, qos }) => `${id} (QoS ${qos}) is lost`));
  for (const { id, topic, number } of kept.values()) {
    const found = before.sent.get(probe.received.find((one) => one.topic === topic)?.id ?? "");
    if (!found || found.number < number) ledger.fail(`${topic} retains ${found?.id} instead of ${id}`);
  }
  const ids = away.received.map(({ id }) => id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index)))
    ledger.fail(`${id} came twice`);
  await broker.end("SIGKILL");
  await Promise.all([away.gone, probe.gone]);
  return ledger.problems;
}

function lastRetained(due: readonly Sent[]): Map<string, Sent> {
  const last = new Map<string, Sent>();
  for (const sent of due) if (sent.retain) last.set(sent.topic, sent);
  return last;
}

/** On the clock of the recorder. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  const endsAtMs = Date.now() + DEADLINE_MS;
  while (!isSo()) {
    if (Date.now() > endsAtMs) throw new Error(`waited ${DEADLINE_MS / 1_000} s until ${what}`);
    await sleep(STEP_MS);
  }
}
