import { relative } from "node:path";
import type { DamagedStretch, SegmentCheck, StoreCheck } from "@weir/server";

/** Something that is not what was written: where, what it means, what to do. */
export interface Finding {
  readonly where: string;
  readonly what: string;
  readonly remedy: string;
}

const LOST =
  "Weir passes over it, keeps a copy under damaged/ and serves the rest. Only a backup has what is lost: weir store restore BACKUP --data NEW_DIR";
const HEALS = "nothing is lost, and the next start of the broker puts it right";

/** Everything that is wrong with a store, in words. */
export function findingsOf(check: StoreCheck, directory: string): Finding[] {
  const findings = check.segments.flatMap((segment) => segmentFindings(segment, directory));
  if (!check.isFormatWhole)
    findings.unshift({
      where: "format, format.copy",
      what: "one of the two is damaged or missing",
      remedy: HEALS,
    });
  const control = controlFinding(check);
  return control === undefined ? findings : [...findings, control];
}

/** What a crash cut off, or what is being written: no damage. */
export function tornBytesOf({ segments }: StoreCheck): number {
  const torn = segments.flatMap(({ damaged }) => damaged).filter(({ isTornTail }) => isTornTail);
  return torn.reduce((sum, { bytes }) => sum + bytes, 0);
}

function segmentFindings(segment: SegmentCheck, directory: string): Finding[] {
  const path = relative(directory, segment.path);
  const findings = segment.damaged
    .filter(({ isTornTail }) => !isTornTail)
    .map((stretch) => ({ where: stretchText(path, stretch), what: lossText(stretch), remedy: LOST }));
  if (segment.isHeaderSound) return findings;
  return [
    { where: path, what: "its head is damaged, its records can be read without it", remedy: HEALS },
    ...findings,
  ];
}

function stretchText(path: string, { offset, bytes }: DamagedStretch): string {
  return `${path}, bytes ${offset} to ${offset + bytes - 1} (${bytes} bytes)`;
}

function lossText({ lost: { from, to } }: DamagedStretch): string {
  if (to < from) return `records from number ${from} on cannot be read`;
  if (to === from) return `record number ${from} cannot be read`;
  return `records number ${from} to ${to} cannot be read`;
}

function controlFinding({ control }: StoreCheck): Finding | undefined {
  const where = "control/data.mdb (tokens, sessions, retained messages)";
  if (control === undefined)
    return {
      where,
      what: "it is missing, or cannot be read",
      remedy:
        "The next start keeps what it can of it and sets the rest aside under damaged/. If that is too little, restore a backup: weir store restore BACKUP --data NEW_DIR",
    };
  if (control.damaged === 0) return undefined;
  const entries = control.damaged === 1 ? "entry is" : "entries are";
  return { where, what: `${control.damaged} ${entries} not what was written`, remedy: LOST };
}
