/** Where a sensor was: the payload on `data/{user}/{sensor}`, and what the storage keeps of it. */
export interface Position {
  /** RFC 3339, when it was there. */
  readonly at: string;
  readonly lat: number;
  readonly lon: number;
  /** Kilometres an hour. */
  readonly speed: number | null;
  /** Degrees from north. */
  readonly bearing: number | null;
}

/** The answer of `GET /api/sensors/{id}/positions`: in the order of time. */
export interface Track {
  readonly positions: readonly Position[];
  /** Older ones were left out: ask again with `to` before the first. */
  readonly isTruncated: boolean;
}

/** The topic of a sensor's positions. */
export function positionTopic(userId: string, sensorId: string): string {
  return `data/${userId}/${sensorId}`;
}

/** The topic of a user's alarms. No sensor has this id. */
export function alarmTopic(userId: string): string {
  return `data/${userId}/${ALARMS}`;
}

/** The topic of the commands for a sensor. */
export function commandTopic(userId: string, sensorId: string): string {
  return `cmd/${userId}/${sensorId}`;
}

const ALARMS = "alarms";

/** Whose data a topic carries: a sensor's, or `alarms`; undefined for any other topic. */
export function parseDataTopic(
  topic: string,
): { readonly userId: string; readonly sensorId: string | undefined } | undefined {
  const [root, userId, last, ...rest] = topic.split("/");
  if (root !== "data" || !userId || !last || rest.length > 0) return undefined;
  return { userId, sensorId: last === ALARMS ? undefined : last };
}
