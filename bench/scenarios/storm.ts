import { runLoad, shownCommand } from "../generator.ts";
import type { Scenario } from "./scenario.ts";
import { benchCredentials, usualGrants } from "./users.ts";

// Many source addresses: a closed connection keeps its port for a minute
const args = ["storm", "--conc", "64", "--srcs", "32"];

/** Connect, CONNACK, DISCONNECT, close, as fast as the broker lets. */
export const storm: Scenario = {
  id: "connects",
  title: "connects, with a token",
  label: "connects, with a token",
  unit: "connections/s",
  better: "more",
  target: { kind: "ratio", atLeast: 0.7 },
  command: shownCommand(args),
  contenders: (brokers) =>
    brokers.map((broker) => ({
      name: broker.name,
      broker,
      grants: usualGrants(broker),
      async measure(running, { secs }) {
        const result = await runLoad({
          args: [...args, "--secs", String(secs), "--warmup", "1"],
          broker: running,
          credentials: benchCredentials(running),
        });
        return {
          value: result.conn_per_s,
          lost: result.failed,
          serverMicros: running.pid === undefined ? undefined : result.server_us_per_conn,
          p50Micros: result.connack_us.p50,
          p99Micros: result.connack_us.p99,
        };
      },
    })),
};
