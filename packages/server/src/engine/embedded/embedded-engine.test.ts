import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { SystemClock } from "../../clock/system-clock.ts";
import { randomFrom, SimulatedDisk } from "../../../testing/simulated-disk.ts";
import { describeEngineContract } from "../engine-contract.ts";
import { type EmbeddedEngine, type EmbeddedEngineOptions, openEmbeddedEngine } from "./embedded-engine.ts";

const clock = new SystemClock();
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const root = await mkdtemp(join(tmpdir(), "weir-embedded-"));
let directories = 0;
afterAll(async () => {
  clock.close();
  await rm(root, { recursive: true, force: true });
});

const optionsOf = new WeakMap<EmbeddedEngine, EmbeddedEngineOptions>();

async function open(changes: Partial<EmbeddedEngineOptions> = {}): Promise<EmbeddedEngine> {
  const options = { directory: join(root, String((directories += 1))), clock, logger, ...changes };
  const engine = await openEmbeddedEngine(options);
  optionsOf.set(engine, options);
  return engine;
}

async function crash(engine: EmbeddedEngine): Promise<EmbeddedEngine> {
  await engine.abandon();
  return open(optionsOf.get(engine));
}

/** The log on a disk that loses its power at the crash; the control store on the machine's, as after `kill -9`. */
async function cutPower(engine: EmbeddedEngine): Promise<EmbeddedEngine> {
  const options = optionsOf.get(engine)!;
  const files = (options.files as SimulatedDisk).cut(random);
  await engine.abandon();
  return open({ ...options, files });
}

const random = randomFrom(5);
const small = { segmentBytes: 4_096, blockBytes: 512, cacheBytes: 2_048, floorMs: 0, floorBytes: 0 };

describeEngineContract("the embedded engine", () => open(), {
  crash: (engine) => crash(engine as EmbeddedEngine),
});

describeEngineContract("the embedded engine with small segments and no floor", () => open(small), {
  crash: (engine) => crash(engine as EmbeddedEngine),
});

describeEngineContract(
  "the embedded engine when the power goes",
  () => open({ ...small, files: new SimulatedDisk() }),
  { crash: (engine) => cutPower(engine as EmbeddedEngine) },
);
