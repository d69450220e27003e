// Recorded vehicles as trackers: `node main.ts`, with its settings in the environment.
import { readFileSync } from "node:fs";
import { pino } from "pino";
import { endOnSignal } from "../process/end-on-signal.ts";
import { required } from "../process/environment.ts";
import { type Movement, toMovements } from "./movements.ts";
import { readRecording } from "./recording.ts";
import { Replay } from "./replay.ts";
import { Tracker } from "./tracker.ts";

const { env } = process;
const logger = pino({ name: "replay", level: env["LOG_LEVEL"] ?? "info" });
const movements = toMovements(readRecording(readFileSync(required(env, "FLEET_RECORDING"), "utf8")));
const ingestUrl = required(env, "FLEET_INGEST_URL");
/** The device id of each vehicle that is to drive, by its name in the recording. */
const devices = JSON.parse(readFileSync(required(env, "FLEET_DEVICES"), "utf8")) as Record<string, string>;
const trackers = new Map(
  Object.entries(devices).map(([vehicle, deviceId]) => [
    vehicle,
    new Tracker({ ingestUrl, deviceId, logger }),
  ]),
);
const from = env["FLEET_RECORDING_FROM"];
const replay = new Replay({
  movements: movements.filter(({ vehicle }) => trackers.has(vehicle)),
  speed: Number(env["FLEET_SPEED"] ?? "1"),
  fromMs: from === undefined ? undefined : Date.parse(from),
  send: (movement: Movement) => trackers.get(movement.vehicle)?.report(movement),
});
replay.start();
logger.info({ vehicles: trackers.size }, "driving");
endOnSignal(async () => {
  replay.stop();
  await Promise.all([...trackers.values()].map((tracker) => tracker.close()));
});
