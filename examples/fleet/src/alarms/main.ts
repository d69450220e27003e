// The alarm service as a process: `node main.ts`, with its settings in the environment.
import { connectAsync } from "mqtt";
import { pino } from "pino";
import { MqttConsumer } from "../consumer/mqtt-consumer.ts";
import { openDatabase } from "../database/open-database.ts";
import { endOnSignal } from "../process/end-on-signal.ts";
import { required } from "../process/environment.ts";
import { logConsumer } from "../process/log-consumer.ts";
import { AlarmOutbox } from "./alarm-outbox.ts";
import { BorderGuard } from "./border-guard.ts";
import { Presence } from "./presence.ts";
import { WatchedAreas } from "./watched-areas.ts";

const REFRESH_EVERY_MS = 2_000;

const { env } = process;
const logger = pino({ name: "alarms", level: env["LOG_LEVEL"] ?? "info" });
const db = openDatabase({ url: required(env, "DATABASE_URL"), maxConnections: 2 });
const url = required(env, "WEIR_MQTT_URL");
const token = required(env, "WEIR_TOKEN");
const client = await connectAsync(url, { protocolVersion: 5, clientId: "alarms-publisher", username: token });
client.on("error", (error) => logger.warn({ error: error.message }, "the broker"));
const areas = new WatchedAreas(db);
const presence = new Presence();
const guard = new BorderGuard(db, areas, presence);
const outbox = new AlarmOutbox(db, client);
await areas.refresh();
await presence.load(db);
const refreshing = setInterval(() => {
  areas
    .refresh()
    .catch((error: unknown) =>
      logger.warn({ error: String(error) }, "the geofences could not be read; will try again"),
    );
}, REFRESH_EVERY_MS);
const consumer = new MqttConsumer({
  url,
  token,
  clientId: "alarms",
  filters: ["data/+/+"],
  sessionExpiryS: 7 * 86_400,
  maxBatch: 500,
  handle: async (batch) => {
    await guard.look(batch);
    await outbox.flush();
  },
  log: logConsumer(logger),
});
consumer.start();
endOnSignal(async () => {
  clearInterval(refreshing);
  await consumer.close();
  await client.endAsync();
  await db.destroy();
});
