import formbody from "@fastify/formbody";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  LogController,
} from "fastify";
import type { Logger } from "pino";
import type { DeviceDirectory } from "./device-directory.ts";
import { parseOsmandReport } from "./osmand-report.ts";
import { BrokerAway, type PositionPublisher } from "./position-publisher.ts";

export interface IngestServerOptions {
  readonly devices: DeviceDirectory;
  readonly publisher: PositionPublisher;
  readonly logger: Logger;
}

const MAX_BODY_BYTES = 8_192;
const RETRY_AFTER_S = 5;

/** Takes positions from trackers over HTTP, in the OsmAnd form: GET or POST, in the query or as a form. */
export async function createIngestServer(options: IngestServerOptions): Promise<FastifyInstance> {
  const loggerInstance: FastifyBaseLogger = options.logger;
  const app = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }), // a device's id, which is its secret, stands in the URL
    bodyLimit: MAX_BODY_BYTES,
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => answerError(error, reply));
  await app.register(formbody);
  app.route({
    method: ["GET", "POST"],
    url: "/",
    handler: async (request, reply) => {
      const fields = { ...asFields(request.query), ...asFields(request.body) };
      return take(fields, reply, options);
    },
  });
  return app;
}

async function take(
  fields: Readonly<Record<string, unknown>>,
  reply: FastifyReply,
  { devices, publisher }: IngestServerOptions,
): Promise<FastifyReply> {
  const { id } = fields;
  if (typeof id !== "string" || id === "")
    return reply.code(400).send("id is missing: the device id of the sensor\n");
  const report = parseOsmandReport(fields, Date.now());
  if (report.kind === "invalid") return reply.code(400).send(`${report.reason}\n`);
  const device = await devices.ofDeviceId(id);
  if (!device) return reply.code(400).send("id is not the device id of a sensor\n");
  await publisher.publish(device, report.position);
  return reply.code(200).send();
}

/** Trackers keep a position that was answered with 503, and send it again. */
function answerError(error: Error & { statusCode?: number }, reply: FastifyReply): void {
  if (error.statusCode !== undefined && error.statusCode < 500) {
    void reply.code(error.statusCode).send(`${error.message}\n`);
    return;
  }
  if (!(error instanceof BrokerAway)) reply.log.error({ error: String(error) }, "a position was not taken");
  void reply.code(503).header("retry-after", RETRY_AFTER_S).send("not now: send it again later\n");
}

function asFields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
