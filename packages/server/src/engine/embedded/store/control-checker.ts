import { openDatabase } from "./control-database.ts";
import { isStoredValue } from "./stored-value.ts";

/**
 * Runs in a process of its own, since LMDB trusts its file: what is wrong there may end the process.
 * `verify <directory>` reads everything; `salvage <directory> <target>` also copies what is sound. Says the counts.
 */
const [, , mode, directory, target] = process.argv;
const copyEntries = 1_000;

async function check(source: string, into: string | undefined): Promise<void> {
  const database = openDatabase(source);
  const copy = into === undefined ? undefined : openDatabase(into);
  let sound = 0;
  let damaged = 0;
  for (const { key, value } of database.getRange({})) {
    if (!isStoredValue(value)) {
      damaged += 1;
      continue;
    }
    sound += 1;
    void copy?.put(Buffer.from(key), value);
    if (sound % copyEntries === 0) await copy?.flushed;
  }
  await copy?.flushed;
  await copy?.close();
  process.stdout.write(`${JSON.stringify({ sound, damaged })}\n`);
  process.exitCode = 0;
}

if (mode === "verify" || mode === "salvage") await check(directory!, target);
else process.exitCode = 2;
