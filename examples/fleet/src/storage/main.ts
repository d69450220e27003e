// The storage service as a process: `node main.ts`, with its settings in the environment.
import { pino } from "pino";
import { MqttConsumer } from "../consumer/mqtt-consumer.ts";
import { openDatabase } from "../database/open-database.ts";
import { endOnSignal } from "../process/end-on-signal.ts";
import { required } from "../process/environment.ts";
import { logConsumer } from "../process/log-consumer.ts";
import { PositionWriter } from "./position-writer.ts";

const { env } = process;
const logger = pino({ name: "storage", level: env["LOG_LEVEL"] ?? "info" });
const db = openDatabase({ url: required(env, "DATABASE_URL"), maxConnections: 1 });
const writer = new PositionWriter(db, logger);
const consumer = new MqttConsumer({
  url: required(env, "WEIR_MQTT_URL"),
  token: required(env, "WEIR_TOKEN"),
  clientId: "storage",
  filters: ["data/#"],
  sessionExpiryS: 7 * 86_400,
  maxBatch: 1_000,
  handle: (batch) => writer.write(batch),
  log: logConsumer(logger),
});
consumer.start();
endOnSignal(async () => {
  await consumer.close();
  await db.destroy();
});
