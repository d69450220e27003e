import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Bystanders } from "../../testing/hostile/bystanders.ts";
import { startBrokerProcess } from "../../testing/hostile/broker-process.ts";
import { startStorm } from "../../testing/hostile/storm.ts";

const CLIENTS = 1_500;
const RATE = 500;

it("1,500 clients at once are let in at a steady rate, with no peak in memory, beside clients that are served", async () => {
  const broker = await startBrokerProcess({ limits: { connectRate: RATE } });
  const bystanders = await Bystanders.start(broker);
  let peakMegabytes = 0;
  const watch = setInterval(() => {
    const status = readFileSync(`/proc/${broker.pid}/status`, "utf8");
    peakMegabytes = Math.max(peakMegabytes, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
  }, 20);
  const storm = startStorm({ port: broker.addresses.mqtt.port, count: CLIENTS });
  const exchangedBefore = bystanders.exchanged;
  const { admittedAtMs, refused, cut } = await storm.over;
  clearInterval(watch);
  expect({ clients: admittedAtMs.length, refused, cut }).toEqual({ clients: CLIENTS, refused: 0, cut: 0 });
  // How steady the rate is, admission.test.ts shows
  expect(await broker.metric('weir_limit_reached_total{limit="limits.connectRate"}')).toBeGreaterThan(
    CLIENTS / 10,
  );
  expect(bystanders.exchanged - exchangedBefore).toBeGreaterThan(10);
  await bystanders.stop();
  const { residentMegabytes, errors } = await broker.measure();
  expect(errors).toEqual([]);
  expect(peakMegabytes - residentMegabytes).toBeLessThan(40);
  await storm.end();
  await expect.poll(() => broker.metric("weir_connections")).toBe(2);
  await broker.stop();
});
