import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { BootstrapError } from "./bootstrap-error.mjs";

const SHOWN_LINES = 15;

/** What npm's error codes mean to the person who only wanted to start the broker. */
const REMEDIES = [
  {
    pattern:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|ENOTCACHED/,
    remedy:
      "The package registry could not be reached. Check the network, and behind a proxy `npm config get proxy` and `npm config get registry`; then run the same command again.",
  },
  {
    pattern: /E404|ETARGET|EINTEGRITY/,
    remedy:
      "The registry does not have the exact package that Weir asks for. Check `npm config get registry`: a mirror may be behind or damaged.",
  },
  {
    pattern: /ENOSPC/,
    remedy: "The disk is full: make about 600 MB of room, then run the same command again.",
  },
  {
    pattern: /EACCES|EPERM|EROFS/,
    remedy:
      "The checkout cannot be written to: check who owns it (`ls -la`), then run the same command again.",
  },
  {
    pattern: /EUSAGE|in sync/,
    remedy:
      "package.json and package-lock.json disagree: run `npm install` under Node 24, and commit both files together.",
  },
];

/**
 * Runs npm under the given Node, quietly; its output is shown only when it fails.
 * @param {readonly string[]} args
 * @param {{ cwd: string, nodePath: string }} options
 * @returns {Promise<void>} rejects with a `BootstrapError`
 */
export async function runNpm(args, { cwd, nodePath }) {
  const command = npmCommand(nodePath);
  const env = environmentFor(nodePath);
  const { code, output } = await collect(command[0], [...command.slice(1), ...args, "--loglevel=error"], {
    cwd,
    env,
  });
  if (code !== 0) throw npmFailure(args[0], output);
}

/**
 * An environment in which `node` is the given one, also for the processes that npm starts.
 * @param {string} nodePath
 */
export function environmentFor(nodePath) {
  return { ...process.env, PATH: `${dirname(nodePath)}${delimiter}${process.env["PATH"] ?? ""}` };
}

/** The npm that started us, or else the one that came with a Node on PATH. Never one that we would have to install. */
function npmCommand(nodePath) {
  const running = process.env["npm_execpath"];
  if (running && /npm-cli\.c?js$/.test(running) && existsSync(running)) return [nodePath, running];
  const onPath = (process.env["PATH"] ?? "")
    .split(delimiter)
    .some((folder) => folder && existsSync(join(folder, "npm")));
  if (onPath) return ["npm"];
  throw new BootstrapError(
    "npm was not found on PATH.",
    "It comes with Node; on Debian and Ubuntu it is a package of its own: `apt-get install npm`.",
  );
}

function collect(file, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    const stop = () => child.kill("SIGTERM");
    process.once("exit", stop);
    let output = "";
    const keep = (chunk) => {
      output = (output + chunk).slice(-64 * 1024);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", reject);
    child.once("close", (code) => {
      process.removeListener("exit", stop);
      resolve({ code, output });
    });
  });
}

function npmFailure(verb, output) {
  const known = REMEDIES.find(({ pattern }) => pattern.test(output));
  const isStackFrame = (/** @type {string} */ line) => /^npm error\s+at /.test(line);
  const lines = output.split("\n").filter((line) => line.trim() && !isStackFrame(line));
  const shown = lines.slice(0, SHOWN_LINES).join("\n");
  return new BootstrapError(
    `npm ${verb} failed:\n${shown || "(npm said nothing)"}`,
    known?.remedy ?? "Read npm's words above, then run the same command again.",
  );
}
