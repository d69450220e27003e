// `npm run soak`: minutes of fleet at a steady rate, with a slow client beside it; memory has to stay flat.
//   npm run soak -- [--minutes 10] [--rate 200] [--sensors 200]
import { parseArgs } from "node:util";
import { endOnSignal } from "../process/end-on-signal.ts";
import { LoadedFleet, MEASURED_PARTS } from "./loaded-fleet.ts";
import { PositionSource } from "./position-source.ts";
import { SlowPhone } from "./slow-phone.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    rate: { type: "string", default: "200" },
    sensors: { type: "string", default: "200" },
  },
});
const minutes = Number(values.minutes);
const SAMPLE_MS = 15_000;
/** Heaps breathe: what counts is the last quarter against the second. */
const MAX_GROWTH = 1.2;
const MAX_GROWTH_BYTES = 32 * 1_048_576;
const MEGABYTE = 1_048_576;

type Sample = ReadonlyMap<string, number>;

function sample(loaded: LoadedFleet): Sample {
  return new Map([...loaded.usage()].map(([part, { anonymousBytes }]) => [part, anonymousBytes]));
}

/** The parts whose memory has grown, each with by how much; none of them if it is flat. */
function grown(samples: readonly Sample[]): string[] {
  const quarter = Math.floor(samples.length / 4);
  const lowest = (part: string, from: number): number =>
    Math.min(...samples.slice(from, from + quarter).map((one) => one.get(part) ?? Infinity));
  return MEASURED_PARTS.flatMap((part) => {
    const [before, after] = [lowest(part, quarter), lowest(part, samples.length - quarter)];
    const isFlat = after <= before * MAX_GROWTH || after - before <= MAX_GROWTH_BYTES;
    return isFlat ? [] : [`${part} grew from ${toMegabytes(before)} to ${toMegabytes(after)} MB`];
  });
}

function toMegabytes(bytes: number): number {
  return Math.round(bytes / MEGABYTE);
}

const loaded = await LoadedFleet.start(Number(values.sensors), (text) => process.stdout.write(`${text}\n`));
endOnSignal(() => loaded.close());
const problems: string[] = [];
try {
  const { fleet, user } = loaded;
  await loaded.probe.listen();
  const phone = await SlowPhone.open(fleet.ports.mqtt, user.client.loggedIn.mqtt.token);
  const source = new PositionSource({
    ingestUrl: fleet.ingestUrl,
    deviceIds: user.deviceIds,
    ratePerS: Number(values.rate),
  });
  const samples: Sample[] = [];
  const endMs = performance.now() + minutes * 60_000;
  while (performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const memory = sample(loaded);
    samples.push(memory);
    const parts = [...memory].map(([part, bytes]) => `${part} ${toMegabytes(bytes)}`).join("  ");
    const left = Math.max(Math.round((endMs - performance.now()) / 1_000), 0);
    process.stdout.write(
      `${left} s left, ${source.accepted} positions, ${source.refused} refused; MB: ${parts}\n`,
    );
  }
  await source.stop();
  const arrived = (await loaded.probe.arrivals()).count;
  problems.push(...grown(samples));
  if (source.refused > 0) problems.push(`${source.refused} positions were refused`);
  if (arrived < source.accepted) problems.push(`the page got ${arrived} of ${source.accepted} positions`);
  process.stdout.write(
    `The slow phone was ${phone.isConnected ? "still connected" : "cut off"} at the end.\n`,
  );
  phone.close();
} finally {
  await loaded.close();
}
process.stdout.write(
  problems.length === 0 ? "Memory is flat, and nothing was lost.\n" : `${problems.join("\n")}\n`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
