import type { Plain, Seq } from "../ports/engine.ts";
import { toPlain } from "../routing/stored-message.ts";
import type { InFlightEntry, InFlightState } from "./in-flight.ts";

/** An entry of the `inFlight` part as it was saved. */
export interface SavedEntry {
  readonly packetId: number;
  readonly qos: 1 | 2;
  /** Of a shared message only: `returned`, it went back to its group; `done`, its group must not give it again. */
  readonly state: "sent" | "released" | "returned" | "done";
  readonly seq: Seq | null;
  readonly retain: boolean;
  readonly identifiers: readonly number[] | null;
  readonly message: Plain;
  /** It says its position; absent: it does not. */
  readonly hasPosition?: boolean;
  /** Of the share group that it came through. */
  readonly groupKey: string | null;
}

/** What is saved of an entry in flight. */
export function toSaved(entry: InFlightEntry): SavedEntry {
  return {
    packetId: entry.packetId,
    qos: entry.qos,
    state: savedState(entry.state),
    seq: entry.seq ?? null,
    retain: entry.retain,
    identifiers: entry.identifiers ?? null,
    message: entry.seq === undefined && entry.message ? toPlain(entry.message) : null,
    groupKey: entry.origin?.key ?? null,
    ...(entry.hasPosition && { hasPosition: true }),
  };
}

/** What a state becomes once the save is durable. */
export function savedState(state: InFlightState): "sent" | "released" {
  return state === "saving" || state === "sent" ? "sent" : "released";
}
