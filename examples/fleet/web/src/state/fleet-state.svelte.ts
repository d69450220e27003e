import type {
  Alarm,
  Geofence,
  GeofenceDrawing,
  LoggedIn,
  Position,
  Roads,
  Sensor,
  User,
} from "weir-fleet/contract";
import { fleetBackend, Refusal } from "../backend/fleet-backend.ts";
import { LiveConnection, type LiveState } from "../live/live-connection.ts";
import { VehicleTrack } from "./vehicle-track.ts";
import { Vehicle } from "./vehicle.ts";

/** What the list shows of a vehicle. */
export interface VehicleRow {
  readonly id: string;
  readonly name: string;
  readonly isOwn: boolean;
  readonly ownerName: string;
  readonly atMs: number | undefined;
  readonly speed: number | null;
  readonly bearing: number | null;
  readonly isStale: boolean;
}

const ROWS_EVERY_MS = 1_000;
const SENSORS_AFTER_MS = 150;
const GLIDE_MS = 900;
/** With more vehicles than this each is shown where it is, without gliding there. */
const MAX_GLIDING = 300;
const MAX_ALARMS = 200;
const TRACK_HOURS = 1;

/** Everything the page of a user who is logged in shows, and what they can do with it. */
export class FleetState {
  readonly user: User;
  readonly vehicles: Map<string, Vehicle> = new Map();
  rows: readonly VehicleRow[] = $state.raw([]);
  live: LiveState = $state("connecting");
  geofences: readonly Geofence[] = $state.raw([]);
  alarms: readonly Alarm[] = $state.raw([]);
  unseenAlarms: number = $state(0);
  roads: Roads = $state.raw({ lines: [], places: [] });
  selectedId: string | undefined = $state();
  track: VehicleTrack | undefined = $state.raw();
  /** Rises when the track has changed. */
  trackVersion: number = $state(0);
  nowMs: number = $state(Date.now());
  problem: string | undefined = $state();
  /** Called when something on the map has changed: many times a second. */
  onMapChange: () => void = () => undefined;

  readonly #signedOut: () => void;
  readonly #knownAlarms: Set<string> = new Set();
  /** RFC 3339, of the newest alarm that was looked at in this browser. */
  #seenUntil: string;
  readonly #isStill: boolean = matchMedia("(prefers-reduced-motion: reduce)").matches;
  #connection: LiveConnection;
  #rowsTimer: ReturnType<typeof setInterval> | undefined;
  #sensorsTimer: ReturnType<typeof setTimeout> | undefined;
  #hasBeenLive = false;
  #isClosed = false;

  constructor({ user, mqtt }: LoggedIn, signedOut: () => void) {
    this.user = user;
    this.#signedOut = signedOut;
    this.#seenUntil = localStorage.getItem(seenKey(user)) ?? new Date().toISOString();
    localStorage.setItem(seenKey(user), this.#seenUntil);
    this.#connection = new LiveConnection(mqtt, user.id, {
      state: (state) => this.#liveChanged(state),
      position: (ownerId, sensorId, position) => this.#moved(ownerId, sensorId, position),
      gone: (sensorId) => this.#remove(sensorId),
      alarm: (alarm) => this.#raised(alarm),
      rightsChanged: () => this.#reloadSensorsSoon(),
      ended: () => this.#signedOut(),
    });
  }

  async open(): Promise<void> {
    this.#rowsTimer = setInterval(() => this.#refreshRows(), ROWS_EVERY_MS);
    await Promise.all([
      this.#connection.open(),
      this.#reloadSensors(),
      this.#try(async () => {
        this.geofences = await fleetBackend.geofences();
      }),
      this.#try(async () => {
        for (const alarm of await fleetBackend.alarms()) this.#raised(alarm);
      }),
      this.#try(async () => {
        this.roads = await fleetBackend.roads();
        this.onMapChange();
      }),
    ]);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#rowsTimer);
    clearTimeout(this.#sensorsTimer);
    this.track?.close();
    this.#connection.close();
  }

  get selected(): Vehicle | undefined {
    return this.selectedId === undefined ? undefined : this.vehicles.get(this.selectedId);
  }

  select(id: string | undefined, hours: number = TRACK_HOURS): void {
    this.track?.close();
    this.selectedId = id;
    const vehicle = this.selected;
    this.track =
      vehicle &&
      new VehicleTrack(vehicle, hours, fleetBackend.track, () => {
        this.trackVersion++;
        this.onMapChange();
      });
    this.onMapChange();
  }

  alarmsSeen(): void {
    this.unseenAlarms = 0;
    this.#seenUntil = this.alarms[0]?.at ?? this.#seenUntil;
    localStorage.setItem(seenKey(this.user), this.#seenUntil);
  }

  horn(id: string): Promise<void> {
    return this.#connection.command(id, { command: "horn", seconds: 2 });
  }

  setReportInterval(id: string, seconds: number): Promise<void> {
    return this.#connection.command(id, { command: "report-interval", seconds });
  }

  async createGeofence(drawing: GeofenceDrawing): Promise<void> {
    const geofence = await fleetBackend.createGeofence(drawing);
    this.geofences = [...this.geofences, geofence].sort((a, b) => a.name.localeCompare(b.name));
    this.onMapChange();
  }

  async deleteGeofence(id: string): Promise<void> {
    await fleetBackend.deleteGeofence(id);
    this.geofences = this.geofences.filter((geofence) => geofence.id !== id);
    this.onMapChange();
  }

  /** After a change that the page itself has made. */
  sensorChanged(sensor: Sensor): void {
    this.#put(sensor);
    this.#refreshRows();
  }

  async deleteSensor(id: string): Promise<void> {
    await fleetBackend.deleteSensor(id);
    this.#remove(id);
  }

  #liveChanged(state: LiveState): void {
    this.live = state;
    if (state === "reconnecting") for (const vehicle of this.vehicles.values()) vehicle.interrupted();
    if (state !== "live") return;
    if (this.#hasBeenLive) {
      this.#reloadSensorsSoon();
      void this.track?.reload();
    }
    this.#hasBeenLive = true;
  }

  #moved(ownerId: string, sensorId: string, position: Position): void {
    const vehicle = this.vehicles.get(sensorId);
    if (!vehicle) return this.#reloadSensorsSoon();
    if (vehicle.ownerId !== ownerId) return undefined;
    const glides = !this.#isStill && this.vehicles.size <= MAX_GLIDING;
    if (!vehicle.take(position, performance.now(), glides ? GLIDE_MS : 0)) return undefined;
    if (sensorId === this.selectedId) this.trackVersion++;
    return this.onMapChange();
  }

  /** From the storage at first, then live: those of the time when the page was closed come both ways. */
  #raised(alarm: Alarm): void {
    if (this.#knownAlarms.has(alarm.id)) return;
    this.#knownAlarms.add(alarm.id);
    this.alarms = [alarm, ...this.alarms].sort((a, b) => b.at.localeCompare(a.at)).slice(0, MAX_ALARMS);
    if (alarm.at > this.#seenUntil) this.unseenAlarms++;
  }

  /** Several changes in a row are one look. */
  #reloadSensorsSoon(): void {
    this.#sensorsTimer ??= setTimeout(() => {
      this.#sensorsTimer = undefined;
      void this.#reloadSensors();
    }, SENSORS_AFTER_MS);
  }

  async #reloadSensors(): Promise<void> {
    await this.#try(async () => {
      const sensors = await fleetBackend.sensors();
      const ids = new Set(sensors.map(({ id }) => id));
      for (const id of this.vehicles.keys()) if (!ids.has(id)) this.#remove(id);
      for (const sensor of sensors) this.#put(sensor);
      this.#refreshRows();
      this.onMapChange();
    });
  }

  #put(sensor: Sensor): void {
    const known = this.vehicles.get(sensor.id);
    if (known) known.update(sensor);
    else this.vehicles.set(sensor.id, new Vehicle(sensor));
  }

  #remove(id: string): void {
    if (!this.vehicles.delete(id)) return;
    if (this.selectedId === id) this.select(undefined);
    this.#refreshRows();
    this.onMapChange();
  }

  #refreshRows(): void {
    const nowMs = Date.now();
    this.nowMs = nowMs;
    this.rows = [...this.vehicles.values()]
      .map((vehicle) => this.#toRow(vehicle, nowMs))
      .sort((a, b) => compareNames(a.name, b.name));
  }

  #toRow(vehicle: Vehicle, nowMs: number): VehicleRow {
    const { id, name, ownerId, ownerName, last } = vehicle;
    return {
      id,
      name,
      isOwn: ownerId === this.user.id,
      ownerName,
      atMs: last?.atMs,
      speed: last?.speed ?? null,
      bearing: last?.bearing ?? null,
      isStale: vehicle.isStale(nowMs),
    };
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.problem = undefined;
    } catch (error) {
      if (this.#isClosed) return;
      if (error instanceof Refusal && error.status === 401) this.#signedOut();
      else this.problem = error instanceof Error ? error.message : String(error);
    }
  }
}

const compareNames = new Intl.Collator(undefined, { numeric: true }).compare;

function seenKey({ id }: User): string {
  return `fleet-alarms-seen-${id}`;
}
