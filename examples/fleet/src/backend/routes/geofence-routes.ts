import Type from "typebox";
import { GeofenceDrawing } from "../../contract/index.ts";
import type { Api } from "../backend.ts";
import type { Geofences } from "../geofences.ts";
import type { LoginGate } from "../login-gate.ts";
import { parseTime } from "./parse-time.ts";

export interface GeofenceRoutesOptions {
  readonly geofences: Geofences;
  readonly gate: LoginGate;
}

const DEFAULT_ALARMS = 100;

const Id = Type.Object({ id: Type.String({ maxLength: 64 }) });
const AlarmQuery = Type.Object({
  before: Type.Optional(Type.String({ maxLength: 64 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
});

export function addGeofenceRoutes(api: Api, { geofences, gate }: GeofenceRoutesOptions): void {
  api.get("/geofences", async (request) => ({
    geofences: await geofences.list(await gate.userIdOf(request)),
  }));

  api.post("/geofences", { schema: { body: GeofenceDrawing } }, async (request, reply) => {
    const made = await geofences.create(await gate.userIdOf(request), request.body);
    return reply.code(201).send(made);
  });

  api.delete("/geofences/:id", { schema: { params: Id } }, async (request, reply) => {
    await geofences.delete(await gate.userIdOf(request), request.params.id);
    return reply.code(204).send();
  });

  api.get("/alarms", { schema: { querystring: AlarmQuery } }, async (request) => {
    const { before, limit = DEFAULT_ALARMS } = request.query;
    const until = before === undefined ? undefined : parseTime("before", before);
    return { alarms: await geofences.alarms(await gate.userIdOf(request), until, limit) };
  });
}
