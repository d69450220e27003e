// The backend as a process: `node main.ts`, with its settings in the environment.
import { readFileSync } from "node:fs";
import { pino } from "pino";
import type { DemoAccount } from "../contract/index.ts";
import { openDatabase, migrateDatabase } from "../database/open-database.ts";
import { toRoads } from "../replay/roads.ts";
import { readRecording } from "../replay/recording.ts";
import { endOnSignal } from "../process/end-on-signal.ts";
import { required, whole } from "../process/environment.ts";
import { createBackend } from "./backend.ts";

const { env } = process;
const logger = pino({ name: "backend", level: env["LOG_LEVEL"] ?? "info" });
const db = openDatabase({ url: required(env, "DATABASE_URL") });
await migrateDatabase(db);
const tilesUrl = env["FLEET_TILES_URL"];
const recording = env["FLEET_ROADS"];
const app = await createBackend({
  db,
  logger,
  broker: { url: required(env, "WEIR_URL"), token: required(env, "WEIR_TOKEN") },
  mqttUrl: env["FLEET_MQTT_URL"] ?? "ws://{host}:8080/mqtt",
  settings: {
    trackerUrl: env["FLEET_TRACKER_URL"] ?? "http://{host}:5055",
    demoAccounts: JSON.parse(env["FLEET_DEMO_ACCOUNTS"] ?? "[]") as DemoAccount[],
    tiles: tilesUrl ? { url: tilesUrl, attribution: env["FLEET_TILES_ATTRIBUTION"] ?? "" } : null,
  },
  roads: recording ? toRoads(readRecording(readFileSync(recording, "utf8"))) : { lines: [], places: [] },
  webDirectory: env["FLEET_WEB"],
  isBehindProxy: env["FLEET_BEHIND_PROXY"] === "true",
});
const address = await app.listen({ host: env["HOST"] ?? "127.0.0.1", port: whole(env, "PORT", 3_000) });
logger.info({ address }, "listening");
endOnSignal(async () => {
  await app.close();
  await db.destroy();
});
