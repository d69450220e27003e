// Measures the fleet: positions a second from ingest to browser, their delay, and the CPU of each part.
//   npm run fleet-load -- [--sensors 2000] [--rates 200,500,1000] [--secs 15] [--write docs/benchmarks.md]
import { parseArgs } from "node:util";
import { endOnSignal } from "../process/end-on-signal.ts";
import { LoadedFleet, MEASURED_PARTS } from "./loaded-fleet.ts";
import { percentile } from "./percentile.ts";
import { PositionSource } from "./position-source.ts";
import { writeFleetSection } from "./fleet-section.ts";

const { values } = parseArgs({
  options: {
    sensors: { type: "string", default: "2000" },
    rates: { type: "string", default: "200,500,1000" },
    secs: { type: "string", default: "15" },
    write: { type: "string" },
  },
});
const seconds = Number(values.secs);
const WARM_UP_MS = 3_000;

function show(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001B[2K${text}` : `${text}\n`);
}

/** One row of the table. */
async function measure(loaded: LoadedFleet, ratePerS: number): Promise<string> {
  const { ingestUrl } = loaded.fleet;
  show(`${ratePerS} positions a second`);
  const source = new PositionSource({ ingestUrl, deviceIds: loaded.user.deviceIds, ratePerS });
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  const [cpuBefore, sentBefore, seenBefore] = [
    loaded.usage(),
    source.accepted,
    await loaded.probe.arrivals(),
  ];
  const mainThread = await loaded.probe.mainThreadShare(seconds);
  const [cpuAfter, sentAfter, seenAfter] = [loaded.usage(), source.accepted, await loaded.probe.arrivals()];
  await source.stop();
  const delays = seenAfter.delaysMs.slice(seenBefore.delaysMs.length);
  const cpu = MEASURED_PARTS.map((part) => {
    const used = (cpuAfter.get(part)?.cpuS ?? 0) - (cpuBefore.get(part)?.cpuS ?? 0);
    return `${Math.round((used / seconds) * 100)} %`;
  });
  const cells = [
    ratePerS,
    Math.round((sentAfter - sentBefore) / seconds),
    Math.round((seenAfter.count - seenBefore.count) / seconds),
    `${percentile(delays, 0.5)} ms`,
    `${percentile(delays, 0.99)} ms`,
    ...cpu,
    `${Math.round(mainThread * 100)} %`,
    source.refused,
  ];
  return `| ${cells.join(" | ")} |`;
}

const loaded = await LoadedFleet.start(Number(values.sensors), show);
endOnSignal(() => loaded.close());
try {
  await loaded.probe.listen();
  const rows: string[] = [];
  for (const rate of values.rates.split(",").map(Number)) rows.push(await measure(loaded, rate));
  const heads = [
    "asked for",
    "accepted/s",
    "in the browser/s",
    "p50",
    "p99",
    ...MEASURED_PARTS,
    "page",
    "refused",
  ];
  const table = [`| ${heads.join(" | ")} |`, `|${heads.map(() => " ---: |").join("")}`, ...rows].join("\n");
  show("");
  process.stdout.write(`${table}\n`);
  if (values.write !== undefined)
    writeFleetSection(values.write, { table, sensors: values.sensors, seconds });
} finally {
  await loaded.close();
}
