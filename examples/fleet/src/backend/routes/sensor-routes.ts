import Type from "typebox";
import { SensorNaming, Sharing } from "../../contract/index.ts";
import type { Api } from "../backend.ts";
import type { LoginGate } from "../login-gate.ts";
import type { Sensors } from "../sensors.ts";
import { parseTime } from "./parse-time.ts";

export interface SensorRoutesOptions {
  readonly sensors: Sensors;
  readonly gate: LoginGate;
}

const MAX_POSITIONS = 10_000;
const DEFAULT_TRACK_MS = 4 * 3_600_000;

const Id = Type.Object({ id: Type.String({ maxLength: 64 }) });
const Reader = Type.Object({ id: Type.String({ maxLength: 64 }), userId: Type.String({ maxLength: 64 }) });
const TrackQuery = Type.Object({
  from: Type.Optional(Type.String({ maxLength: 64 })),
  to: Type.Optional(Type.String({ maxLength: 64 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_POSITIONS })),
});

export function addSensorRoutes(api: Api, { sensors, gate }: SensorRoutesOptions): void {
  api.get("/sensors", async (request) => ({ sensors: await sensors.list(await gate.userIdOf(request)) }));

  api.post("/sensors", { schema: { body: SensorNaming } }, async (request, reply) => {
    const made = await sensors.create(await gate.userIdOf(request), request.body.name);
    return reply.code(201).send(made);
  });

  api.patch("/sensors/:id", { schema: { params: Id, body: SensorNaming } }, async (request) =>
    sensors.rename(await gate.userIdOf(request), request.params.id, request.body.name),
  );

  api.delete("/sensors/:id", { schema: { params: Id } }, async (request, reply) => {
    await sensors.delete(await gate.userIdOf(request), request.params.id);
    return reply.code(204).send();
  });

  api.put("/sensors/:id/readers", { schema: { params: Id, body: Sharing } }, async (request) =>
    sensors.share(await gate.userIdOf(request), request.params.id, request.body.email),
  );

  api.delete("/sensors/:id/readers/:userId", { schema: { params: Reader } }, async (request) =>
    sensors.unshare(await gate.userIdOf(request), request.params.id, request.params.userId),
  );

  api.get("/sensors/:id/positions", { schema: { params: Id, querystring: TrackQuery } }, async (request) => {
    const { from, to, limit = MAX_POSITIONS } = request.query;
    const until = to === undefined ? new Date(Date.now() + DEFAULT_TRACK_MS) : parseTime("to", to);
    const since = from === undefined ? new Date(Date.now() - DEFAULT_TRACK_MS) : parseTime("from", from);
    const userId = await gate.userIdOf(request);
    return sensors.track(userId, request.params.id, { from: since, to: until, limit });
  });
}
