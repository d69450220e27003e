import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../process/free-port.ts";
import { eventually } from "./fleet-fixture.ts";

/** A haproxy that gives each request to the next of several backends. Close it at the test's end. */
export class RealHaproxy {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string, port: number) {
    this.#process = child;
    this.#folder = folder;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(haproxy: string, ports: readonly number[]): Promise<RealHaproxy> {
    const folder = mkdtempSync(join(tmpdir(), "haproxy-"));
    const port = await freePort();
    const file = join(folder, "haproxy.cfg");
    writeFileSync(file, configuration(port, ports));
    const child = spawn(haproxy, ["-db", "-f", file], { stdio: "ignore" });
    const proxy = new RealHaproxy(child, folder, port);
    await eventually(
      () =>
        fetch(`${proxy.url}/api/settings`).then(
          ({ status }) => status,
          () => 0,
        ),
      (status) => status === 200,
    );
    return proxy;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.kill("SIGTERM");
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function configuration(port: number, ports: readonly number[]): string {
  const servers = ports.map((backend, index) => `  server backend${index + 1} 127.0.0.1:${backend}`);
  return `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend fleet
  bind 127.0.0.1:${port}
  option forwardfor
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend backends
backend backends
  balance roundrobin
  http-response set-header X-Served-By %s
${servers.join("\n")}
`;
}
