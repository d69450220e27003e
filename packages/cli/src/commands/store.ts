import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { checkStore, holderOf, restoreStore, type StoreCheck, statStore } from "@weir/server";
import { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import type { BuiltCommand } from "../program.ts";
import { addRestOptions, type RestFlags } from "../rest/rest-options.ts";
import { printTable } from "../rest/table.ts";
import { byteText } from "../store/byte-text.ts";
import { findingsOf, tornBytesOf, type Finding } from "../store/check-report.ts";
import { placeOf, settleInStore, storeDirectoryOf, type PlaceFlags } from "../store/store-place.ts";
import { withProgress } from "../store/store-progress.ts";
import { takeBackup } from "../store/take-backup.ts";

/** `weir store check|stats|backup|restore`. */
export function createStoreCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const command = new Command("store")
    .description("Checks, measures, backs up and restores what the broker keeps on the disk.")
    .helpCommand(false);
  addCheck(command, context);
  addStats(command, context);
  addBackup(command, context);
  addRestore(command, context);
  return { command, argv };
}

function addCheck(command: Command, context: CommandContext): void {
  addPlaceOptions(command.command("check [dir]"))
    .summary("read everything, and say what is damaged")
    .description(
      "Reads every record of the log and every entry of the control store, and changes nothing. Also while the broker\nruns. DIR is a backup or a data directory. Exit code 1 when something is damaged.",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  weir store check\n  weir store check --data /var/lib/weir --json\n  weir store check /mnt/backups/monday",
    )
    .action((directory: string | undefined, flags: PlaceFlags) => check(directory, flags, context));
}

function addStats(command: Command, context: CommandContext): void {
  addPlaceOptions(command.command("stats [dir]"))
    .summary("tell what is there, and how large")
    .description(
      "Tells how large each part is. Also while the broker runs. DIR is a backup or a data directory.",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  weir store stats --data /var/lib/weir\n  weir store stats --json | jq .freeBytes",
    )
    .action((directory: string | undefined, flags: PlaceFlags) => stats(directory, flags, context));
}

function addBackup(command: Command, context: CommandContext): void {
  addPlaceOptions(addRestOptions(command.command("backup [target]")))
    .summary("copy everything, also while the broker runs")
    .description(
      "Copies the store as of now into TARGET, a new directory; without one into backups/<time> of the data directory.\nA broker that runs makes the copy itself: it is asked over REST, with an admin's token (default: the one in the file\nadmin-token of the data directory).",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  weir store backup --data /var/lib/weir\n  weir store backup --data /var/lib/weir /mnt/backups/monday\n  WEIR_URL=http://127.0.0.1:8081 weir store backup --json",
    )
    .action((target: string | undefined, flags: PlaceFlags & RestFlags) => backup(target, flags, context));
}

function addRestore(command: Command, context: CommandContext): void {
  addPlaceOptions(command.command("restore <backup>"))
    .summary("make a data directory of a backup")
    .description(
      "Copies a backup into a data directory that holds no store yet. The backup stays as it is. What clients were told\nof positions before means nothing to the restored broker.",
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  weir store restore /mnt/backups/monday --data /var/lib/weir-restored\n  weir store restore weir-data/backups/2026-11-05T09-30-00.000Z --data ./restored",
    )
    .action((source: string, flags: PlaceFlags) => restore(source, flags, context));
}

function addPlaceOptions(command: Command): Command {
  return command
    .helpOption("-h, --help", "show this")
    .option("--data <dir>", "data directory (default: as weir serve has it, ./weir-data)")
    .option("--config <file>", "configuration file that names it (default: ./weir.yaml, if there is one)");
}

function directoryOf(given: string | undefined, flags: PlaceFlags, context: CommandContext): string {
  return storeDirectoryOf(given ?? placeOf(flags, context).data);
}

async function check(given: string | undefined, flags: PlaceFlags, context: CommandContext): Promise<void> {
  const { stdout, stderr, colors } = context;
  const directory = directoryOf(given, flags, context);
  const startedAtMs = performance.now();
  const checked = await settleInStore(
    withProgress("Checking", stderr, (onProgress) => checkStore(directory, onProgress)),
  );
  const findings = findingsOf(checked, directory);
  const usedBy = await holderOf(directory);
  if (flags.json) {
    stdout.write(`${JSON.stringify({ directory, usedBy: usedBy ?? null, ...checked, findings })}\n`);
  } else {
    printCheck(checked, context);
    const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
    stdout.write(`\n${directory}${usedText(usedBy)}, read in ${seconds} s.\n`);
    printTorn(tornBytesOf(checked), usedBy, context);
    for (const finding of findings) stdout.write(findingText(finding, colors));
    if (checked.isSound) stdout.write(`${colors.green("Everything is sound.")}\n`);
  }
  if (!checked.isSound)
    throw new CommandFailure(flags.json ? "" : `${countText(findings.length, "place")} damaged.`);
}

function printCheck({ segments, control }: StoreCheck, context: CommandContext): void {
  const tenants = Map.groupBy(segments, ({ tenant }) => tenant);
  const rows = [...tenants].map(([tenant, files]) => [
    `log of ${tenant}`,
    String(files.length),
    byteText(files.reduce((sum, { bytes }) => sum + bytes, 0)),
    `${files.reduce((sum, { records }) => sum + records, 0)} records`,
    String(files.reduce((sum, { damaged }) => sum + damaged.filter((one) => !one.isTornTail).length, 0)),
  ]);
  const entries = control === undefined ? "?" : `${control.sound} entries`;
  const damaged = control === undefined ? "not readable" : String(control.damaged);
  printTable(
    ["PART", "FILES", "SIZE", "SOUND", "DAMAGED"],
    [...rows, ["control store", "1", "", entries, damaged]],
    context,
  );
}

function printTorn(tornBytes: number, usedBy: number | undefined, { stdout }: CommandContext): void {
  if (tornBytes === 0) return;
  const reason =
    usedBy === undefined
      ? "a crash cut off a write that nobody had an acknowledgement for; the next start removes it"
      : "a write that was under way";
  stdout.write(`${tornBytes} bytes at the log's end are no whole record: ${reason}.\n`);
}

function findingText({ where, what, remedy }: Finding, { red }: CommandContext["colors"]): string {
  return `\n${red("Damaged:")} ${where}\n  What:  ${what}.\n  To do: ${remedy}.\n`;
}

async function stats(given: string | undefined, flags: PlaceFlags, context: CommandContext): Promise<void> {
  const { stdout, colors } = context;
  const directory = directoryOf(given, flags, context);
  const found = await settleInStore(statStore(directory));
  const usedBy = await holderOf(directory);
  if (flags.json) {
    stdout.write(`${JSON.stringify({ directory, usedBy: usedBy ?? null, ...found })}\n`);
    return;
  }
  const rows = found.tenants.map(({ tenant, segments, bytes }) => [
    `log of ${tenant}`,
    String(segments),
    byteText(bytes),
  ]);
  printTable(
    ["PART", "FILES", "SIZE"],
    [...rows, ["control store", "1", byteText(found.controlBytes)]],
    context,
  );
  stdout.write(`\n${directory}${usedText(usedBy)}: format ${found.format}, epoch ${found.epoch}.\n`);
  stdout.write(`${byteText(found.freeBytes)} are free on its disk.\n`);
  if (found.damagedFiles > 0)
    stdout.write(
      `${colors.yellow(`${countText(found.damagedFiles, "damaged part")} set aside in ${directory}/damaged.`)}\n`,
    );
}

async function backup(
  target: string | undefined,
  flags: PlaceFlags & RestFlags,
  context: CommandContext,
): Promise<void> {
  const place = placeOf(flags, context);
  const taken = await settleInStore(takeBackup(place, { target, rest: flags, context }));
  const { tenants, controlBytes } = await settleInStore(statStore(taken.directory));
  const bytes = tenants.reduce((sum, tenant) => sum + tenant.bytes, controlBytes);
  if (flags.json) {
    context.stdout.write(`${JSON.stringify({ ...taken, madeBy: taken.madeBy ?? null, bytes })}\n`);
    return;
  }
  context.stdout.write(`${taken.directory}\n`);
  const maker = taken.madeBy === undefined ? "" : `, made by the broker (process ${taken.madeBy})`;
  context.stderr.write(`The backup is complete: ${byteText(bytes)}${maker}.\n`);
}

async function restore(source: string, flags: PlaceFlags, context: CommandContext): Promise<void> {
  const place = placeOf(flags, context);
  const from = storeDirectoryOf(source);
  await refuseUsed(from, place.store);
  await settleInStore(
    withProgress("Restoring", context.stderr, (onProgress) => restoreStore(from, place.store, onProgress)),
  );
  const { epoch } = await settleInStore(statStore(place.store));
  if (flags.json) {
    context.stdout.write(`${JSON.stringify({ data: place.data, epoch })}\n`);
    return;
  }
  context.stderr.write(`Restored. Start the broker with it: weir serve --data ${place.data}\n`);
}

/** A running broker changes what is copied, and would not see what is put into its directory. */
async function refuseUsed(from: string, target: string): Promise<void> {
  const copying = await holderOf(from);
  if (copying !== undefined)
    throw new CommandFailure(
      `${resolve(from)} is in use by process ${copying}: take a backup of it first (weir store backup), and restore that.`,
    );
  const using = await holderOf(target);
  if (using !== undefined)
    throw new CommandFailure(
      `${target} is in use by process ${using}: name another data directory, or stop it and move ${target} away.`,
    );
  if (existsSync(resolve(target, "format")))
    throw new CommandFailure(
      `${target} holds a store already: name another data directory, or move that one away first.`,
    );
}

function usedText(pid: number | undefined): string {
  return pid === undefined ? "" : ` (in use by process ${pid})`;
}

function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? " is" : "s are"}`;
}
