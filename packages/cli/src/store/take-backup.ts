import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { backupOffline, holderOf, type Logger, moveBackup, type Progress, statStore } from "@weir/server";
import type { WeirClient } from "@weir/api";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { type RestFlags, withBroker } from "../rest/rest-options.ts";
import { withProgress } from "./store-progress.ts";
import type { StorePlace } from "./store-place.ts";

const POLL_MS = 200;

/** Who makes it: the broker that has the store, or this process. */
export interface TakenBackup {
  readonly directory: string;
  readonly madeBy: number | undefined;
}

/**
 * Backs up a data directory. Where a broker has it, that broker does it, asked over REST: it writes below `backups` of
 * its data directory and nowhere else. From there the backup is moved to `target`, if one is named.
 *
 * @throws {CommandFailure} {@link WrongUse} without a token for the broker
 */
export async function takeBackup(
  place: StorePlace,
  { target, rest, context }: { target: string | undefined; rest: RestFlags; context: CommandContext },
): Promise<TakenBackup> {
  const { epoch } = await statStore(place.store);
  const holder = await holderOf(place.store);
  if (holder === undefined) return takeOffline(place, target, context);
  const id = await askBroker(holder, epoch, { flags: withToken(rest, place, context), context });
  const made = join(place.backups, id);
  if (!existsSync(made))
    throw new CommandFailure(`The broker made the backup ${id}, but it is not in ${place.backups}.`);
  if (target === undefined) return { directory: made, madeBy: holder };
  const directory = resolve(target);
  await withProgress("Moving the backup", context.stderr, (onProgress) =>
    moveBackup(made, directory, onProgress),
  );
  return { directory, madeBy: holder };
}

async function takeOffline(
  place: StorePlace,
  target: string | undefined,
  { stderr }: CommandContext,
): Promise<TakenBackup> {
  const name = new Date().toISOString().replaceAll(":", "-");
  const directory = resolve(target ?? join(place.backups, name));
  const logger = problemLogger(stderr);
  await withProgress("Backing up", stderr, () => backupOffline(place.store, directory, logger));
  return { directory, madeBy: undefined };
}

/** What the store says of itself when it is opened: only what is wrong matters here. */
function problemLogger(stderr: NodeJS.WriteStream): Logger {
  const tell = (fields: Readonly<Record<string, unknown>>, text: string): void =>
    void stderr.write(`${text}: ${JSON.stringify(fields)}\n`);
  return { debug: () => undefined, info: () => undefined, warn: tell, error: tell };
}

/** The admin token of a first start without a terminal lies in the data directory. It is shown to this machine only. */
function withToken(rest: RestFlags, { data }: StorePlace, { environment }: CommandContext): RestFlags {
  const url = rest.url ?? environment["WEIR_URL"] ?? "http://localhost";
  if (rest.token !== undefined || environment["WEIR_TOKEN"] || !isThisMachine(url)) return rest;
  try {
    return { ...rest, token: readFileSync(join(data, "admin-token"), "utf8").trim() };
  } catch {
    return rest;
  }
}

function isThisMachine(url: string): boolean {
  return URL.canParse(url) && ["localhost", "127.0.0.1", "[::1]"].includes(new URL(url).hostname);
}

/** @returns the id of the finished backup */
async function askBroker(
  holder: number,
  store: string,
  { flags, context }: { flags: RestFlags; context: CommandContext },
): Promise<string> {
  try {
    return await withProgress("Backing up", context.stderr, (onProgress) =>
      withBroker(flags, context, (client) => makeByBroker(client, store, onProgress)),
    );
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    throw new CommandFailure(
      `Process ${holder} has the data directory, so that broker makes the backup, and --url (or WEIR_URL) says where it is reached. ${error.message}`,
    );
  }
}

async function makeByBroker(
  client: WeirClient,
  store: string,
  onProgress: (progress: Progress) => void,
): Promise<string> {
  let backup = await client.backups.begin({ store });
  while (backup.state === "running") {
    onProgress({ doneBytes: backup.bytes, totalBytes: backup.expectedBytes ?? backup.bytes });
    await sleep(POLL_MS);
    backup = await client.backups.get(backup.id);
  }
  if (backup.state === "failed") throw new CommandFailure(`The backup failed: ${backup.problem ?? "?"}.`);
  return backup.id;
}
