import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";

const BEGIN = "<!-- fleet -->";
const END = "<!-- /fleet -->";

export interface FleetFigures {
  /** In Markdown. */
  readonly table: string;
  readonly sensors: string;
  readonly seconds: number;
}

/** Puts the fleet's figures into the page of benchmarks, in the place of older ones. */
export function writeFleetSection(file: string, figures: FleetFigures): void {
  const page = readFileSync(file, "utf8");
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  const rest =
    begin === -1 ? page.trimEnd() : (page.slice(0, begin) + page.slice(end + END.length)).trimEnd();
  writeFileSync(file, `${rest}\n\n${section(figures)}\n`);
}

function section({ table, sensors, seconds }: FleetFigures): string {
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} cores`;
  return `${BEGIN}

## The fleet application, from tracker to page

${sensors} vehicles of one user report over HTTP at a steady rate; all parts, the trackers and Chromium with the page share
one machine (${machine}); ${seconds} s each. The delay is from the tracker's clock to the page's MQTT.js. CPU is that of one
core; the page's is the share of its main thread. \`npm run fleet-load\` measures it again.

${table}

${END}`;
}
