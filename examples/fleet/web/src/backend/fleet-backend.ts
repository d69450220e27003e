import type {
  Alarm,
  CurrentSession,
  Geofence,
  GeofenceDrawing,
  LoggedIn,
  Login,
  NewSensor,
  PageSettings,
  Registration,
  Roads,
  Sensor,
  Track,
} from "weir-fleet/contract";

/** The backend refused a call; `message` is for people. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The fleet's backend, in the name of whoever the cookie says. Each call rejects with {@link Refusal}. */
export const fleetBackend = {
  settings: (): Promise<PageSettings> => call("GET", "/settings"),
  roads: (): Promise<Roads> => call("GET", "/roads"),

  register: (registration: Registration): Promise<LoggedIn> => call("POST", "/users", registration),
  logIn: (login: Login): Promise<LoggedIn> => call("POST", "/session", login),
  session: (): Promise<CurrentSession> => call("GET", "/session"),
  renewToken: (): Promise<LoggedIn> => call("POST", "/session/token"),
  logOut: (): Promise<void> => call("DELETE", "/session"),

  sensors: async (): Promise<Sensor[]> => (await call<{ sensors: Sensor[] }>("GET", "/sensors")).sensors,
  createSensor: (name: string): Promise<NewSensor> => call("POST", "/sensors", { name }),
  renameSensor: (id: string, name: string): Promise<Sensor> => call("PATCH", sensorPath(id), { name }),
  deleteSensor: (id: string): Promise<void> => call("DELETE", sensorPath(id)),
  share: (id: string, email: string): Promise<Sensor> => call("PUT", `${sensorPath(id)}/readers`, { email }),
  unshare: (id: string, userId: string): Promise<Sensor> =>
    call("DELETE", `${sensorPath(id)}/readers/${encodeURIComponent(userId)}`),
  track: (id: string, from: Date, to?: Date): Promise<Track> =>
    call("GET", `${sensorPath(id)}/positions?${trackQuery(from, to)}`),

  geofences: async (): Promise<Geofence[]> =>
    (await call<{ geofences: Geofence[] }>("GET", "/geofences")).geofences,
  createGeofence: (drawing: GeofenceDrawing): Promise<Geofence> => call("POST", "/geofences", drawing),
  deleteGeofence: (id: string): Promise<void> => call("DELETE", `/geofences/${encodeURIComponent(id)}`),
  alarms: async (): Promise<Alarm[]> => (await call<{ alarms: Alarm[] }>("GET", "/alarms")).alarms,
};

function sensorPath(id: string): string {
  return `/sensors/${encodeURIComponent(id)}`;
}

function trackQuery(from: Date, to: Date | undefined): string {
  return new URLSearchParams({ from: from.toISOString(), ...(to && { to: to.toISOString() }) }).toString();
}

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`/api${path}`, {
    method,
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  }).catch(() => undefined);
  if (!response) throw new Refusal(0, "unreachable", "The server cannot be reached.");
  const text = await response.text();
  if (response.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
  throw toRefusal(response.status, text);
}

function toRefusal(status: number, text: string): Refusal {
  try {
    const { code, detail } = JSON.parse(text) as { code?: string; detail?: string };
    return new Refusal(status, code ?? "unexpected", detail ?? "That did not work.");
  } catch {
    return new Refusal(status, "unexpected", "That did not work.");
  }
}
