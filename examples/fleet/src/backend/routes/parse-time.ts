import { Problem } from "../problem.ts";

/** @throws {Problem} `invalid`, naming the parameter, unless the text is an RFC 3339 time */
export function parseTime(parameter: string, text: string): Date {
  const time = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(time.getTime()))
    throw new Problem(400, "invalid", `${parameter} must be an RFC 3339 time, such as 2026-01-26T16:44:30Z.`);
  return time;
}
