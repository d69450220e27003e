import { expect, it } from "vitest";
import { startBrokerProcess } from "../../testing/hostile/broker-process.ts";
import { fuzz } from "../../testing/fuzz/fuzzer.ts";

/** Hours are for hands: `npm run fuzz`. */
const CONNECTIONS = 6_000;
const SEED = 20_260;

const clientTypes = Array.from({ length: 15 }, (_, type) => type + 1);
/** All that a server sends, but AUTH, which needs an authentication method. */
const serverTypes = [2, 3, 4, 5, 6, 7, 9, 11, 13, 14];

it("6,000 connections of mutated packets leave the broker as it was: it serves, has no error, memory and files are flat", async () => {
  const broker = await startBrokerProcess({ logLevel: "error", limits: { connectTimeoutS: 1 } });
  const { traffic } = await fuzz({ broker, seed: SEED, to: CONNECTIONS, batchSize: 1_000 });
  expect([...traffic.sent]).toEqual(expect.arrayContaining(clientTypes));
  expect([...traffic.received].sort((a, b) => a - b)).toEqual(expect.arrayContaining(serverTypes));
  expect(traffic.accepted).toBeGreaterThan(CONNECTIONS / 5);
  await broker.stop();
}, 120_000);
