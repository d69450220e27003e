import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { claimDirectory } from "./directory-claim.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "claim-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("a folder that a running process has claimed is refused, with its pid, until that has ended", async () => {
  const directory = join(folder(), "database");
  claimDirectory(directory)();
  const holder = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  writeFileSync(`${directory}.pid`, String(holder.pid));
  expect(() => claimDirectory(directory)).toThrow(`in use by process ${holder.pid}`);
  const ended = new Promise((resolve) => holder.once("close", resolve));
  holder.kill("SIGKILL");
  await ended;
  claimDirectory(directory)();
});
