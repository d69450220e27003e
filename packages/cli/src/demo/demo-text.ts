import type { Colors } from "picocolors/types.js";
import type { DemoUser } from "./demo-users.ts";
import type { Demo } from "./demo.ts";

/** What the terminal shows: where to look, and lines to paste that watch as each user. */
export function describeDemo(demo: Demo, colors: Colors): string {
  const { mqtt, http } = demo.addresses;
  const users = demo.users.map((user) => describeUser(demo, user, colors));
  return [
    "",
    `${colors.bold("Weir is running")}, with 8 real buses of Liverpool's route 14. Each user sees only their own.`,
    "",
    `  ${colors.dim("MQTT")}       mqtt://${mqtt.host}:${mqtt.port}`,
    `  ${colors.dim("WebSocket")}  ws://${http.host}:${http.port}/mqtt`,
    `  ${colors.dim("REST")}       http://${http.host}:${http.port}/api/v1`,
    "",
    `${colors.bold("Open a page in a browser, or two side by side;")} or paste a line into another terminal.`,
    `Each asks for ${colors.bold("everything (#)")} and gets what its token allows.`,
    "",
    ...users,
    colors.dim(
      "State is kept in memory only. Positions: Bus Open Data Service, Open Government Licence v3.0.",
    ),
    "",
    "",
  ].join("\n");
}

function describeUser(demo: Demo, user: DemoUser, colors: Colors): string {
  const { mqtt } = demo.addresses;
  const port = mqtt.port === 1883 ? "" : ` -p ${mqtt.port}`;
  const label = (text: string): string => `  ${colors.dim(text.padEnd(9))}`;
  return [
    `${colors.bold(colors.cyan(user.name))}, buses ${user.buses.join(", ")}`,
    `${label("page")}${colors.underline(demo.pageUrl(user))}`,
    `${label("token")}${user.key}`,
    `${label("paste")}mosquitto_sub -h ${mqtt.host}${port} -u ${user.key} -t '#' -v`,
    `${label("")}./bin/weir sub${port} -u ${user.key} -t '#' -v`,
    "",
  ].join("\n");
}
