import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { freePort } from "../process/free-port.ts";

const USER = "postgres";

/** A PostgreSQL server with a database of its own, for one test. Close it at the test's end. */
export class RealPostgres {
  readonly url: string;
  readonly #server: ChildProcess;
  readonly #folder: string;

  private constructor(server: ChildProcess, folder: string, port: number) {
    this.#server = server;
    this.#folder = folder;
    this.url = `postgres://${USER}@127.0.0.1:${port}/postgres`;
  }

  /** @param postgres the path of the server's program; `initdb` lies beside it */
  static async start(postgres: string): Promise<RealPostgres> {
    const folder = mkdtempSync(join(tmpdir(), "postgres-"));
    const identity = identityFor(folder);
    const data = join(folder, "data");
    const initdb = join(dirname(postgres), "initdb");
    execFileSync(initdb, ["-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"], {
      ...identity,
      cwd: folder,
      stdio: "ignore",
    });
    const port = await freePort();
    const flags = [
      "-D",
      data,
      "-p",
      String(port),
      "-k",
      folder,
      "-c",
      "listen_addresses=127.0.0.1",
      "-c",
      "fsync=off",
    ];
    const server = spawn(postgres, flags, { ...identity, cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
    await ready(server);
    return new RealPostgres(server, folder, port);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#server.once("close", resolve));
    this.#server.kill("SIGINT"); // "fast shutdown"
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** PostgreSQL does not run as root: there Debian's own user for it takes over, and owns the folder. */
function identityFor(folder: string): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const entry = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${USER}:`));
  const [uid, gid] = (entry ?? "").split(":").slice(2, 4).map(Number);
  if (uid === undefined || gid === undefined)
    throw new Error(`there is no user ${USER} to run PostgreSQL as`);
  chownSync(folder, uid, gid);
  return { uid, gid };
}

function ready(server: ChildProcess): Promise<void> {
  let said = "";
  return new Promise((resolve, reject) => {
    server.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("ready to accept connections")) resolve();
    });
    server.once("error", reject);
    server.once("close", () => reject(new Error(`PostgreSQL ended:\n${said}`)));
  });
}
