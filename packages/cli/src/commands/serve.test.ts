import { execFile } from "node:child_process";
import { createServer } from "node:net";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describeWith, makeCertificates } from "@weir/testkit";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runWeir, WeirProcess } from "../../testing/weir-process.ts";

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "weir-serve-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FREE_PORTS = ["--mqtt-port", "0", "--http-port", "0"];
const ADMIN_TOKEN = "an-admin-token-of-more-than-32-characters";

interface Served {
  readonly process: WeirProcess;
  readonly mqttPort: string;
  readonly url: string;
  /** For commands that talk to it over REST. */
  readonly environment: Record<string, string>;
}

async function servedBroker(
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): Promise<Served> {
  const process = new WeirProcess(["serve", ...FREE_PORTS, "--data", join(folder, "data"), ...args], {
    WEIR_ADMIN_TOKEN: ADMIN_TOKEN,
    ...environment,
  });
  const [, mqttPort = ""] = await process.until(/MQTT +mqtt:\/\/127\.0\.0\.1:(\d+)/);
  const [, url = ""] = await process.until(/REST +(https?:\S+)\/api\/v1/);
  await process.until(/State is kept in /);
  return { process, mqttPort, url, environment: { WEIR_URL: url, WEIR_TOKEN: ADMIN_TOKEN } };
}

describe("weir serve", () => {
  test("tells where it listens, is ready, drains at SIGTERM and exits with 0", async () => {
    const { process, url } = await servedBroker();
    await using _ = process;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    process.signal("SIGTERM");
    expect((await process.ended).exitCode).toBe(0);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  test("SIGTERM: what was published is acknowledged, then DISCONNECT 0x8B", async () => {
    const { process, mqttPort } = await servedBroker();
    await using _ = process;
    const client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
      protocolVersion: 5,
      username: ADMIN_TOKEN,
      reconnectPeriod: 0,
    });
    const disconnected = new Promise<number | undefined>((resolve) =>
      client.once("disconnect", ({ reasonCode }) => resolve(reasonCode)),
    );
    const publishing = Array.from({ length: 50 }, (_unused, i) =>
      client.publishAsync("a/b", String(i), { qos: 1 }),
    );
    await Promise.all(publishing);
    process.signal("SIGTERM");
    expect(await disconnected).toBe(0x8b);
    expect((await process.ended).exitCode).toBe(0);
    client.end(true);
  });

  test("speaks TLS on every port once certificates are given", async () => {
    const { ca, server } = makeCertificates();
    const file = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const [cert, key, cafile] = [
      file("cert.pem", server.cert),
      file("key.pem", server.key),
      file("ca.pem", ca.cert),
    ];
    const { process, url } = await servedBroker([], {
      WEIR_MQTT_TLS_PORT: "0",
      WEIR_MQTT_TLS_CERT: cert,
      WEIR_MQTT_TLS_KEY: key,
      WEIR_HTTP_TLS_CERT: cert,
      WEIR_HTTP_TLS_KEY: key,
    });
    await using _ = process;
    const [mqtts = ""] = await process.until(/mqtts:\/\/127\.0\.0\.1:\d+/);
    const environment = { WEIR_TOKEN: ADMIN_TOKEN };
    const trusting = ["--cafile", cafile, "-t", "t/s", "-q", "1"];
    expect(await runWeir(["pub", "-L", mqtts, ...trusting, "-m", "x", "-r"], environment)).toMatchObject({
      exitCode: 0,
      stderr: "",
    });
    const read = await runWeir(
      ["sub", "-L", url.replace("https", "wss"), ...trusting, "-C", "1", "-W", "10"],
      environment,
    );
    expect(read).toMatchObject({ exitCode: 0, stdout: "x\n" });
    const doubting = await runWeir(["pub", "-L", mqtts, "-t", "a", "-m", "x"], environment);
    expect(doubting.exitCode).toBe(1);
    const tokens = await runWeir(["token", "list", "--url", url], {
      ...environment,
      NODE_EXTRA_CA_CERTS: cafile,
    });
    expect(tokens).toMatchObject({ exitCode: 0 });
  });

  test("ends at SIGINT the same way", async () => {
    const { process } = await servedBroker();
    await using _ = process;
    process.signal("SIGINT");
    expect((await process.ended).exitCode).toBe(0);
  });

  test("writes the admin token of its first start to a file of mode 0600, and nowhere else", async () => {
    const data = join(folder, "fresh");
    await using process = new WeirProcess(["serve", ...FREE_PORTS, "--data", data]);
    await process.until(/The admin token is in/);
    const file = join(data, "admin-token");
    const key = readFileSync(file, "utf8").trim();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(key).toMatch(/^weir_/);
    const [, url = ""] = await process.until(/REST +(http:\S+)\/api\/v1/);
    const answer = await fetch(`${url}/api/v1/tokens/self`, { headers: { authorization: `Bearer ${key}` } });
    expect(answer.status).toBe(200);
    expect(process.stdout + process.stderr).not.toContain(key);
  });

  test("writes the admin token through no link that somebody has put in its place", async () => {
    const data = join(folder, "linked");
    const elsewhere = join(folder, "elsewhere");
    mkdirSync(data);
    writeFileSync(elsewhere, "not a token", { mode: 0o644 });
    symlinkSync(elsewhere, join(data, "admin-token"));
    await using process = new WeirProcess(["serve", ...FREE_PORTS, "--data", data]);
    await process.until(/The admin token is in/);
    expect(readFileSync(elsewhere, "utf8")).toBe("not a token");
    expect(lstatSync(join(data, "admin-token")).mode & 0o777).toBe(0o600);
  });

  test("stops with 1 where the admin token cannot be written, and the next start makes another", async () => {
    const data = join(folder, "no-token");
    mkdirSync(join(data, "admin-token"), { recursive: true });
    const { exitCode, stderr } = await runWeir(["serve", ...FREE_PORTS, "--data", data]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /the admin token could not be written to .*admin-token \(.*: remove what stands there, or/,
    );
    expect(stderr).not.toContain("    at ");
    rmdirSync(join(data, "admin-token"));
    await using process = new WeirProcess(["serve", ...FREE_PORTS, "--data", data]);
    await process.until(/The admin token is in/);
    expect(readFileSync(join(data, "admin-token"), "utf8")).toMatch(/^weir_/);
  });

  test.each([
    ["a file", "/dev/null", "it is a file (EEXIST)"],
    ["below a file", "/dev/null/data", "a part of the path is a file (ENOTDIR)"],
    ["where nothing can be made", "/proc/1/x", "nothing can be made there (ENOENT)"],
  ])("stops with 1 when the data directory is %s", async (_, data, reason) => {
    const { exitCode, stderr } = await runWeir(["serve", ...FREE_PORTS, "--data", data]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      `data is ${data}, which cannot be the data directory: ${reason}; name a directory`,
    );
    expect(stderr).not.toContain("    at ");
  });

  test("stops with 1 when WEIR_ADMIN_TOKEN is shorter than 32 characters", async () => {
    const { exitCode, stderr } = await runWeir(["serve", ...FREE_PORTS, "--data", join(folder, "data")], {
      WEIR_ADMIN_TOKEN: "short",
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/WEIR_ADMIN_TOKEN has 5 characters; it must have at least 32/);
    expect(stderr).not.toContain("    at ");
  });

  test.each(["--mqtt-port", "--http-port"])(
    "names the port and the remedy when that of %s is taken",
    async (flag) => {
      const other = createServer();
      await new Promise<void>((resolve) => void other.listen(0, "127.0.0.1", resolve));
      const { port } = other.address() as { port: number };
      try {
        const { exitCode, stderr } = await runWeir(
          ["serve", ...FREE_PORTS, "--data", join(folder, "data"), flag, String(port)],
          {
            WEIR_ADMIN_TOKEN: ADMIN_TOKEN,
          },
        );
        expect(exitCode).toBe(1);
        expect(stderr).toMatch(
          new RegExp(
            `port ${port} \\(EADDRINUSE\\): another program listens there: stop it, or choose another port \\(--mqtt-port, --http-port`,
          ),
        );
        expect(stderr).not.toContain("    at ");
      } finally {
        other.close();
      }
    },
  );

  test("SIGHUP reloads the log level, and says what needs a restart", async () => {
    const config = join(folder, "reload.yaml");
    writeFileSync(config, "log:\n  level: info\n");
    const { process } = await servedBroker(["--config", config]);
    await using _ = process;
    writeFileSync(config, "log:\n  level: debug\nmqtt:\n  receiveMaximum: 7\n");
    process.signal("SIGHUP");
    await process.until(/Reloaded: log\.level is debug\.\nNeeds a restart: mqtt\.receiveMaximum\./);
    writeFileSync(config, "log:\n  level: loud\n");
    process.signal("SIGHUP");
    await process.until(/was not reloaded: log\.level is "loud"/);
  });

  test("--allow-anonymous lets clients of this machine do everything without a credential", async () => {
    const { process, mqttPort } = await servedBroker(["--allow-anonymous"]);
    await using _ = process;
    expect(process.stderr).toMatch(/from this machine need no credential, and may do everything/);
    const published = await runWeir(["pub", "-p", mqttPort, "-t", "a/b", "-m", "x", "-q", "1"]);
    expect(published).toMatchObject({ exitCode: 0, stderr: "" });
  });
});

describe("weir pub and sub against a broker", () => {
  let served: Served;
  beforeAll(async () => {
    served = await servedBroker();
  });
  afterAll(() => served.process[Symbol.asyncDispose]());

  const weir = (args: string[], input?: string) =>
    runWeir([args[0] ?? "", "-p", served.mqttPort, ...args.slice(1)], { WEIR_TOKEN: ADMIN_TOKEN }, input);

  test("a retained message is there for whoever comes later, and is cleared", async () => {
    expect(await weir(["pub", "-t", "kept/a", "-m", "one", "-r", "-q", "1"])).toMatchObject({ exitCode: 0 });
    const read = await weir(["sub", "-t", "kept/#", "-v", "-C", "1", "-W", "10"]);
    expect(read).toMatchObject({ exitCode: 0, stdout: "kept/a one\n" });
    await weir(["pub", "-t", "kept/a", "-n", "-r", "-q", "1"]);
    expect(await weir(["sub", "-t", "kept/#", "-W", "1"])).toMatchObject({
      exitCode: 1,
      stdout: "",
      stderr: "Error: Timed out\n",
    });
  });

  test.each([["5"], ["311"], ["31"]])("lines of stdin arrive in their order, -V %s", async (version) => {
    const lines = Array.from({ length: 300 }, (_, i) => `line ${i}`);
    const topic = `lines/${version}`;
    await using subscriber = new WeirProcess(
      ["sub", "-p", served.mqttPort, "-d", "-t", topic, "-q", "2", "-C", "300", "-W", "20", "-V", version],
      { WEIR_TOKEN: ADMIN_TOKEN },
    );
    await subscriber.until(/received SUBACK/);
    const published = await weir(
      ["pub", "-t", topic, "-l", "-q", "2", "-V", version, "--json"],
      `${lines.join("\n")}\n`,
    );
    expect(JSON.parse(published.stdout)).toEqual({ topic, qos: 2, published: 300, refused: 0 });
    const { exitCode, stdout } = await subscriber.ended;
    expect(exitCode).toBe(0);
    expect(stdout.trimEnd().split("\n")).toEqual(lines);
  });

  test("properties cross over WebSocket", async () => {
    const url = ["-L", `${served.url.replace("http", "ws")}/mqtt`];
    await weir([
      "pub",
      ...url,
      "-t",
      "w/a",
      "-m",
      "x",
      "-r",
      "-q",
      "1",
      "-D",
      "publish",
      "user-property",
      "k",
      "v",
    ]);
    const read = await weir(["sub", ...url, "-t", "w/a", "-F", "%t %P", "-C", "1", "-W", "10"]);
    expect(read).toMatchObject({ exitCode: 0, stdout: "w/a k:v\n" });
  });

  test("a wrong token is told as what it is", async () => {
    const { exitCode, stderr } = await runWeir(["sub", "-p", served.mqttPort, "-u", "nobody", "-t", "#"]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^Error: Connection error: Bad user name or password \(0x86\)\. Is the access token right/,
    );
    const old = await runWeir(["sub", "-p", served.mqttPort, "-u", "nobody", "-t", "#", "-V", "311"]);
    expect(old.stderr).toMatch(/Connection Refused: bad user name or password\./);
  });

  test("sub ends with 0 at SIGINT", async () => {
    await using subscriber = new WeirProcess(["sub", "-p", served.mqttPort, "-d", "-t", "x"], {
      WEIR_TOKEN: ADMIN_TOKEN,
    });
    await subscriber.until(/received SUBACK/);
    subscriber.signal("SIGINT");
    expect((await subscriber.ended).exitCode).toBe(0);
  });

  test("a token made on the command line narrows, follows its change, and ends with its deletion", async () => {
    const rest = served.environment;
    const made = await runWeir(
      ["token", "create", "--subject", "ann", "--allow", "subscribe:data/ann/#", "--ttl", "1h", "--json"],
      rest,
    );
    const { id, key } = JSON.parse(made.stdout) as { id: string; key: string };
    await using subscriber = new WeirProcess([
      "sub",
      "-p",
      served.mqttPort,
      "-u",
      key,
      "-d",
      "-t",
      "#",
      "-v",
    ]);
    await subscriber.until(/'#' is narrowed to what you may read: data\/ann\/#/);
    const refused = await runWeir(["sub", "-p", served.mqttPort, "-u", key, "-t", "data/bob/#"]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("Subscription to 'data/bob/#' was refused: Not authorized (0x87).");

    await weir(["pub", "-t", "data/bob/1", "-m", "hidden", "-q", "1"]);
    await weir(["pub", "-t", "data/ann/1", "-m", "shown", "-q", "1"]);
    await subscriber.until(/data\/ann\/1 shown/);
    expect((await runWeir(["token", "update", id, "--allow", "subscribe:data/bob/#"], rest)).exitCode).toBe(
      0,
    );
    await weir(["pub", "-t", "data/bob/2", "-m", "now", "-q", "1"]);
    await subscriber.until(/data\/bob\/2 now/);
    expect(subscriber.stdout).not.toContain("hidden");

    const sessions = await runWeir(["session", "list", "--subject", "ann", "--json"], rest);
    expect(JSON.parse(sessions.stdout)).toMatchObject([
      { connected: true, subscriptions: [{ filter: "#", effective: ["data/bob/#"] }] },
    ]);
    const tokens = await runWeir(["token", "list"], rest);
    expect(tokens.stdout).toMatch(new RegExp(`${id} +ann .*subscribe:data/bob/#`));
    expect(tokens.stdout).not.toContain(key);

    expect((await runWeir(["token", "delete", id], rest)).exitCode).toBe(0);
    await subscriber.until(/The broker ended the connection: Administrative action \(0x98\)/);
    expect((await subscriber.ended).exitCode).toBe(1);
  });

  test("commands say what is wrong, and exit with 1, or with 2 for wrong use", async () => {
    const unknown = await runWeir(["token", "delete", "nobody"], served.environment);
    expect(unknown).toMatchObject({
      exitCode: 1,
      stderr: "Error: there is no token with this id (404 not-found)\n",
    });
    const wrong = await runWeir(["token", "list", "--token", "wrong"], served.environment);
    expect(wrong).toMatchObject({ exitCode: 1 });
    expect(wrong.stderr).toMatch(/the token is not valid, or has ended/);
    expect(await runWeir(["sub", "-t", "a/#/b"])).toMatchObject({ exitCode: 2 });
    expect(await runWeir(["session", "delete"], served.environment)).toMatchObject({ exitCode: 2 });
    expect(await runWeir(["token", "list"], { WEIR_URL: served.url })).toMatchObject({ exitCode: 2 });
  });

  describeWith("mosquitto_pub", "mosquitto_pub", (mosquittoPub) => {
    test("publishes what weir sub prints", async () => {
      await using subscriber = new WeirProcess(
        ["sub", "-p", served.mqttPort, "-d", "-t", "m/#", "-F", "%t %p %q", "-q", "2", "-C", "3", "-W", "20"],
        { WEIR_TOKEN: ADMIN_TOKEN },
      );
      await subscriber.until(/received SUBACK/);
      for (const [qos, version] of [
        ["0", "mqttv31"],
        ["1", "mqttv311"],
        ["2", "mqttv5"],
      ] as const) {
        await run(mosquittoPub, [
          "-p",
          served.mqttPort,
          "-u",
          ADMIN_TOKEN,
          "-t",
          `m/${qos}`,
          "-m",
          "hi",
          "-q",
          qos,
          "-V",
          version,
        ]);
      }
      expect((await subscriber.ended).stdout).toBe("m/0 hi 0\nm/1 hi 1\nm/2 hi 2\n");
    });
  });

  describeWith("mosquitto_sub", "mosquitto_sub", (mosquittoSub) => {
    test.each(["mqttv31", "mqttv311", "mqttv5"])("gets what weir pub has retained, %s", async (version) => {
      await weir(["pub", "-t", "n/a", "-m", "hello", "-r", "-q", "1"]);
      const args = [
        "-p",
        served.mqttPort,
        "-u",
        ADMIN_TOKEN,
        "-t",
        "n/#",
        "-v",
        "-C",
        "1",
        "-W",
        "10",
        "-V",
        version,
      ];
      expect((await run(mosquittoSub, args)).stdout).toBe("n/a hello\n");
    });
  });
});

describe("weir check-config and wrong use", () => {
  test("a good configuration is told, a bad one with every problem", async () => {
    expect(await runWeir(["check-config"])).toMatchObject({
      exitCode: 0,
      stdout: "The configuration is good.\n",
    });
    const bad = await runWeir(["check-config", "--mqtt-port", "x"], { WEIR_HTTP_PROT: "1" });
    expect(bad.exitCode).toBe(1);
    expect(bad.stderr).toMatch(/Did you mean WEIR_HTTP_PORT\?[^]*mqtt\.port is "x" \(--mqtt-port\)/);
    const json = await runWeir(["check-config", "--json", "--http-port", "0"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ http: { port: 0 } });
  });

  test.each([
    [["nonsense"], 2],
    [["serve", "--nonsense"], 2],
    [["pub", "-t", "a"], 2],
    [["sub"], 2],
    [["--version"], 0],
    [[], 0],
  ])("weir %j exits with %i", async (args, exitCode) =>
    expect(await runWeir(args)).toMatchObject({ exitCode }),
  );

  test.each(["serve", "pub", "sub", "token", "session", "check-config"])(
    "weir %s --help has an example",
    async (name) => {
      const { exitCode, stdout } = await runWeir([name, "--help"]);
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/Examples?:\n {2}\S/);
    },
  );
});
