import { openEmbeddedEngine } from "../src/engine/embedded/embedded-engine.ts";
import { SystemClock } from "../src/clock/system-clock.ts";

// Appends, saves and puts as fast as it can, and says of each what was acknowledged: `log 17`, `kv 4`, `owned 9`.
const [, , directory] = process.argv;
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const engine = await openEmbeddedEngine({
  directory: directory!,
  clock: new SystemClock(),
  logger,
  segmentBytes: 20_000,
  blockBytes: 2_048,
  floorMs: 0,
  floorBytes: 0,
});
const publisher = { sessionKey: "default/token/u1/c1", realm: "token", subject: "u1", clientId: "c1" };

async function append(): Promise<void> {
  for (;;) {
    const record = {
      topic: "t",
      payload: Buffer.from(`payload of ${engine.log.bounds("default", 0).head + 1}`),
      qos: 1 as const,
      retain: false,
      properties: undefined,
      publishedAtMs: Date.now(),
      expiresAtMs: Infinity,
      publisher,
      inbound: undefined,
    };
    const { seq } = await engine.log.append("default", record);
    process.stdout.write(`log ${seq}\n`);
    if (seq % 500 === 0) engine.log.release("default", 0, seq - 50, (kept) => kept % 10 === 0);
  }
}

async function put(): Promise<void> {
  const kv = engine.kv("acked");
  for (let count = Number((await kv.get("count"))?.value ?? 0) + 1; ; count++) {
    await kv.put("count", count);
    process.stdout.write(`kv ${count}\n`);
  }
}

async function save(): Promise<void> {
  const held = await engine.owners.acquire("session", "default", "s1", "token/u1");
  for (let count = Number(held.parts.cursor ?? 0) + 1; ; count++) {
    await engine.owners.save(held, { cursor: count });
    process.stdout.write(`owned ${count}\n`);
  }
}

await Promise.all([append(), append(), append(), put(), save()]);
