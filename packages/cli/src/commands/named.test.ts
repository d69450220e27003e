import { PassThrough } from "node:stream";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import picocolors from "picocolors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../program.ts";

let broker: BrokerFixture;
let environment: Record<string, string>;

beforeAll(async () => {
  broker = await startBroker();
  environment = {
    WEIR_URL: `http://127.0.0.1:${broker.addresses.http.port}`,
    WEIR_TOKEN: await broker.token({ scopes: ["admin"] }),
  };
});

afterAll(() => broker.close());

/** The command in this process. */
async function run(argv: readonly string[], input = "") {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(input);
  const context = {
    environment,
    stdin: stdin as unknown as NodeJS.ReadStream,
    stdout: stdout as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
    colors: picocolors.createColors(false),
    exit: () => {
      throw new Error("exit");
    },
    onSignal: () => {},
  };
  const exitCode = await runProgram(argv, context);
  return { exitCode, stdout: String(stdout.read() ?? ""), stderr: String(stderr.read() ?? "") };
}

const entries = [{ actions: ["subscribe"], topic: "news/#" }];

describe("weir policy", () => {
  test("put makes one, then changes it; get, list and delete", async () => {
    const made = await run(["policy", "put", "news", "-"], JSON.stringify({ entries }));
    expect(made).toEqual({ exitCode: 0, stdout: "", stderr: "The policy news is made.\n" });
    expect((await run(["policy", "put", "news", "-", "--new"], "{}")).exitCode).toBe(1);
    const got = await run(["policy", "get", "news"]);
    expect(JSON.parse(got.stdout)).toMatchObject({ name: "news", entries });
    const listed = await run(["policy", "list"]);
    expect(listed.stdout).toMatch(/^NAME +CHANGED +CONTENT\nnews .*news\/#/);
    expect(await run(["policy", "delete", "news"])).toMatchObject({ stderr: "1 policy deleted.\n" });
    expect(await run(["policy", "get", "news"])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("there is no policy of this name") as string,
    });
  });

  test("says what is wrong with what it was given", async () => {
    expect(await run(["policy", "put", "p", "-"], "no JSON")).toEqual({
      exitCode: 2,
      stdout: "",
      stderr: "Error: stdin holds no JSON object.\n",
    });
    expect((await run(["policy", "put", "p", "/no/such/file"])).stderr).toContain("cannot be read");
    const odd = await run(["policy", "put", "p", "-"], JSON.stringify({ entries: [{ actions: ["fly"] }] }));
    expect(odd.stderr).toMatch(/entries\[0\].*invalid/);
  });
});

describe("weir group, weir provider, weir history", () => {
  test.each(["group", "provider", "history"])("weir %s list --json", async (noun) => {
    expect(await run([noun, "list", "--json"])).toEqual({ exitCode: 0, stdout: "[]\n", stderr: "" });
  });
});

describe("weir session", () => {
  test("list and delete by what sessions have in common", async () => {
    const key = await broker.token({ subject: "ann" });
    await broker.connect({ clientId: "ann-phone", password: key });
    const listed = await run(["session", "list", "--subject", "ann", "--json"]);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ clientId: "ann-phone" }]);
    const none = await run(["session", "list", "--issuer", "https://id.example.com", "--json"]);
    expect(JSON.parse(none.stdout)).toEqual([]);
    expect(await run(["session", "delete", "--kid", "k1"])).toMatchObject({
      stderr: "0 sessions deleted.\n",
    });
    expect(await run(["session", "delete", "--subject", "ann"])).toMatchObject({
      stderr: "1 session deleted.\n",
    });
  });
});
