import { isFree } from "../process/free-port.ts";
import { PORT_FLAGS } from "./fleet-flags.ts";
import type { FleetPorts } from "./fleet.ts";

/** A line for each port that another program has, with the flag that chooses another one. */
export async function takenPorts(
  ports: Readonly<Record<keyof FleetPorts, number | undefined>>,
): Promise<string[]> {
  const lines: string[] = [];
  for (const { name, flag, what } of PORT_FLAGS) {
    const port = ports[name];
    if (port === undefined || (await isFree(port))) continue;
    lines.push(
      `Port ${port} (${what}) is taken by another program: stop it, or choose another with ${flag}.`,
    );
  }
  return lines;
}
