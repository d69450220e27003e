import type { RootDatabase } from "lmdb";
import { openDatabase } from "./control-database.ts";
import { isStoredValue } from "./stored-value.ts";

/**
 * Runs in a process of its own, since LMDB trusts its file: what is wrong there may end the process.
 * `read <directory>` reads everything, in order and by key; `verify <directory>` also writes something; `salvage <directory> <target>` copies
 * what is sound, from the front or, with `reverse`, from the back. Says the counts.
 */
const [, , mode, directory, target, order] = process.argv;
const copyEntries = 64;

type Database = RootDatabase<Buffer, Uint8Array>;

interface Counts {
  sound: number;
  damaged: number;
}

async function verify(source: Database, mayWrite: boolean): Promise<Counts> {
  const counts: Counts = { sound: 0, damaged: 0 };
  for (const { key, value } of source.getRange({})) {
    const isSound = isStoredValue(value) && source.get(key)?.equals(value) === true;
    counts[isSound ? "sound" : "damaged"] += 1;
  }
  // A page that is no page any longer is passed over without a word, but the root knows how many entries there are.
  const { entryCount } = source.getStats() as { readonly entryCount: number };
  counts.damaged += Math.max(0, entryCount - counts.sound - counts.damaged);
  if (!mayWrite) return counts;
  const probe = Buffer.from([0xff, 0xff, 0xff]);
  await source.put(probe, Buffer.alloc(8_192));
  await source.remove(probe);
  await source.flushed;
  return counts;
}

async function salvage(source: Database, copy: Database, isReverse: boolean): Promise<Counts> {
  const counts: Counts = { sound: 0, damaged: 0 };
  for (const { key, value } of source.getRange({ reverse: isReverse })) {
    const isSound = isStoredValue(value);
    counts[isSound ? "sound" : "damaged"] += 1;
    if (!isSound) continue;
    void copy.put(Buffer.from(key), value);
    if (counts.sound % copyEntries === 0) await copy.flushed;
  }
  await copy.flushed;
  await copy.close();
  return counts;
}

async function run(): Promise<Counts> {
  const source = openDatabase(directory!);
  if (mode !== "salvage") return verify(source, mode === "verify");
  return salvage(source, openDatabase(target!), order === "reverse");
}

process.stdout.write(`${JSON.stringify(await run())}\n`);
