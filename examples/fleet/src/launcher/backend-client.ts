import type { Geofence, GeofenceDrawing, LoggedIn, NewSensor, Sensor } from "../contract/index.ts";

/** The backend refused a call. */
export class BackendRefusal extends Error {
  override readonly name = "BackendRefusal";
  readonly status: number;

  constructor(status: number, text: string) {
    super(`${status} ${text}`);
    this.status = status;
  }
}

/** Somebody who is logged in at the backend, without a browser. */
export class BackendClient {
  readonly loggedIn: LoggedIn;
  readonly #url: string;
  readonly #cookie: string;

  private constructor(url: string, cookie: string, loggedIn: LoggedIn) {
    this.#url = url;
    this.#cookie = cookie;
    this.loggedIn = loggedIn;
  }

  static logIn(url: string, email: string, password: string): Promise<BackendClient> {
    return BackendClient.#begin(url, "/api/session", { email, password });
  }

  static register(url: string, email: string, name: string, password: string): Promise<BackendClient> {
    return BackendClient.#begin(url, "/api/users", { email, name, password });
  }

  static async #begin(url: string, path: string, body: object): Promise<BackendClient> {
    const response = await send(url, "", "POST", path, body);
    const cookie = response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    return new BackendClient(url, cookie, (await response.json()) as LoggedIn);
  }

  async sensors(): Promise<Sensor[]> {
    const { sensors } = (await this.call("GET", "/api/sensors")) as { sensors: Sensor[] };
    return sensors;
  }

  async createSensor(name: string): Promise<NewSensor> {
    return (await this.call("POST", "/api/sensors", { name })) as NewSensor;
  }

  async createGeofence(drawing: GeofenceDrawing): Promise<Geofence> {
    return (await this.call("POST", "/api/geofences", drawing)) as Geofence;
  }

  /** Rejects with {@link BackendRefusal}. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const response = await this.fetch(method, path, body);
    const text = await response.text();
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Rejects with {@link BackendRefusal}. */
  fetch(method: string, path: string, body?: object): Promise<Response> {
    return send(this.#url, this.#cookie, method, path, body);
  }
}

async function send(
  url: string,
  cookie: string,
  method: string,
  path: string,
  body: object | undefined,
): Promise<Response> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { cookie, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new BackendRefusal(response.status, await response.text());
  return response;
}
