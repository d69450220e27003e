import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startBrokerProcess } from "../../testing/hostile/broker-process.ts";
import { fuzz, fuzzedLimits } from "../../testing/fuzz/fuzzer.ts";

/** On each engine. Hours are for hands: `npm run fuzz`. */
const FOR_MS = 28_000;
const SEED = 20_260;

const clientTypes = Array.from({ length: 15 }, (_, type) => type + 1);
const serverTypes = [2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15];

it.each(["memory", "embedded"] as const)(
  `mutated packets (seed ${SEED}) leave a broker with the %s engine as it was: it serves, has no error, memory and files are flat`,
  async (engine) => {
    const data = mkdtempSync(join(tmpdir(), "weir-fuzz-"));
    const broker = await startBrokerProcess({ engine, data, logLevel: "error", limits: fuzzedLimits });
    const { traffic } = await fuzz({ broker, seed: SEED, forMs: FOR_MS });
    expect([...traffic.sent]).toEqual(expect.arrayContaining(clientTypes));
    expect([...traffic.received]).toEqual(expect.arrayContaining(serverTypes));
    expect(traffic.accepted).toBeGreaterThan(traffic.connections / 5);
    await broker.stop();
    rmSync(data, { recursive: true });
  },
  180_000,
);
