import type { IncomingMessage, Server, ServerResponse } from "node:http";
import cookie from "@fastify/cookie";
import fastifyStatic from "@fastify/static";
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { Kysely } from "kysely";
import type { Logger } from "pino";
import type { PageSettings, Roads } from "../contract/index.ts";
import type { Database } from "../database/schema.ts";
import { BrokerAccess, type BrokerAccessOptions } from "./broker-access.ts";
import { Geofences } from "./geofences.ts";
import { LoginGate } from "./login-gate.ts";
import { Logins } from "./logins.ts";
import { sendError, sendNotFound } from "./problem-reply.ts";
import { addAccountRoutes } from "./routes/account-routes.ts";
import { addGeofenceRoutes } from "./routes/geofence-routes.ts";
import { addSensorRoutes } from "./routes/sensor-routes.ts";
import { Sensors } from "./sensors.ts";

export interface BackendOptions {
  readonly db: Kysely<Database>;
  readonly broker: BrokerAccessOptions;
  /** Where pages connect to, for example `wss://mqtt.example.com/mqtt`; `{host}` stands for the page's own host. */
  readonly mqttUrl: string;
  readonly settings: PageSettings;
  readonly roads: Roads;
  /** The folder of the built web application; undefined: only the API is served. */
  readonly webDirectory: string | undefined;
  /** Whether a proxy stands before it that sets X-Forwarded-For, -Proto and -Host. */
  readonly isBehindProxy: boolean;
  readonly logger: Logger;
}

/** Routes whose requests are checked against their schemas, and typed by them. */
export type Api = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

const SETTLE_EVERY_MS = 5_000;
const MAX_BODY_BYTES = 65_536;

/** The backend's server; it does not listen yet. It keeps nothing itself: any number may run side by side. */
export async function createBackend(options: BackendOptions): Promise<Api> {
  const { logger, isBehindProxy, webDirectory, mqttUrl } = options;
  const loggerInstance: FastifyBaseLogger = logger;
  const app = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    trustProxy: isBehindProxy,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(sendNotFound);
  app.addHook("onSend", (_request, reply, _payload, done) => {
    void reply.headers(pageHeaders(mqttUrl, options.settings));
    done();
  });
  await app.register(cookie);
  await app.register((api) => addApi(api.withTypeProvider<TypeBoxTypeProvider>(), options), {
    prefix: "/api",
  });
  if (webDirectory) await app.register(fastifyStatic, { root: webDirectory });
  return app;
}

function addApi(api: Api, { db, logger, broker: brokerOptions, ...options }: BackendOptions): Promise<void> {
  const broker = new BrokerAccess(brokerOptions);
  const logins = new Logins({ db, broker, logger });
  const gate = new LoginGate(logins);
  api.get("/settings", () => options.settings);
  api.get("/roads", () => options.roads);
  addAccountRoutes(api, { logins, gate, mqttUrl: options.mqttUrl });
  addSensorRoutes(api, { sensors: new Sensors({ db, broker, logins }), gate });
  addGeofenceRoutes(api, { geofences: new Geofences(db), gate });
  const timer = setInterval(() => void logins.settle(), SETTLE_EVERY_MS);
  api.addHook("onClose", (_instance, done) => {
    clearInterval(timer);
    done();
  });
  return Promise.resolve();
}

/** The page loads nothing from elsewhere but map tiles, and speaks to nobody but the backend and the broker. */
function pageHeaders(mqttUrl: string, { tiles }: PageSettings): Record<string, string> {
  const tileOrigin = tiles ? ` ${new URL(tiles.url.replaceAll(/[{}]/g, "")).origin}` : "";
  const broker = mqttUrl.includes("{host}") ? "ws: wss:" : new URL(mqttUrl).origin;
  return {
    "content-security-policy": `default-src 'self'; worker-src 'self' blob:; connect-src 'self' ${broker}; img-src 'self' data:${tileOrigin}; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'`,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  };
}
