// The ingest service as a process: `node main.ts`, with its settings in the environment.
import { connect } from "mqtt";
import { pino } from "pino";
import { MqttConsumer } from "../consumer/mqtt-consumer.ts";
import { openDatabase } from "../database/open-database.ts";
import { endOnSignal } from "../process/end-on-signal.ts";
import { required, whole } from "../process/environment.ts";
import { logConsumer } from "../process/log-consumer.ts";
import { DeviceDirectory } from "./device-directory.ts";
import { DeviceInbox, INBOX_FILTER } from "./device-inbox.ts";
import { forgetDeleted } from "./forget-deleted.ts";
import { createIngestServer } from "./ingest-server.ts";
import { PositionPublisher } from "./position-publisher.ts";

const FORGET_EVERY_MS = 5_000;

const { env } = process;
const logger = pino({ name: "ingest", level: env["LOG_LEVEL"] ?? "info" });
const db = openDatabase({ url: required(env, "DATABASE_URL") });
const mqttUrl = required(env, "WEIR_MQTT_URL");
const token = required(env, "WEIR_TOKEN");
const instance = env["FLEET_INSTANCE"] ?? "1";
const client = connect(mqttUrl, {
  protocolVersion: 5,
  clientId: `ingest-publisher-${instance}`,
  username: token,
  queueQoSZero: false,
  reconnectPeriod: 1_000,
});
client.on("connect", () => logger.info("connected for publishing"));
client.on("error", (error) => logger.warn({ error: error.message }, "the broker"));
const publisher = new PositionPublisher(client);
const devices = new DeviceDirectory(db);
const inbox = new DeviceInbox({ devices, publisher, logger });
const consumer = new MqttConsumer({
  url: mqttUrl,
  token,
  clientId: `ingest-${instance}`,
  filters: [INBOX_FILTER],
  sessionExpiryS: 7 * 86_400,
  maxBatch: 500,
  handle: (batch) => inbox.handle(batch),
  log: logConsumer(logger),
});
consumer.start();
const forgetting = setInterval(() => {
  forgetDeleted(db, publisher).catch((error: unknown) =>
    logger.warn(
      { error: String(error) },
      "a deleted sensor's last position could not be cleared; will try again",
    ),
  );
}, FORGET_EVERY_MS);
const app = await createIngestServer({ devices, publisher, logger });
const address = await app.listen({ host: env["HOST"] ?? "127.0.0.1", port: whole(env, "PORT", 5_055) });
logger.info({ address }, "listening");
endOnSignal(async () => {
  clearInterval(forgetting);
  await app.close();
  await consumer.close();
  await client.endAsync();
  await db.destroy();
});
