#!/usr/bin/env node
import pico from "picocolors";
import { runProgram } from "./program.ts";

// `weir sub | head` ends when its reader does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const exitCode = await runProgram(process.argv.slice(2), {
  environment: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  exit: (code) => process.exit(code),
  onSignal(names, callback) {
    for (const name of names) process.on(name, callback);
  },
  colors: pico.createColors(pico.isColorSupported && process.stdout.isTTY && process.stderr.isTTY),
});
process.exit(exitCode);
