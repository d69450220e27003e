import { readFileSync } from "node:fs";
import type { PolicyEntry } from "@weir/api";
import { WrongUse } from "../command-failure.ts";

const ACTIONS = ["publish", "subscribe", "replay"] as const;

/** For options that may be repeated. */
export const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** `publish,subscribe:data/alice/#`. @throws {WrongUse} naming the flag */
export function parseEntry(flag: string, text: string): PolicyEntry {
  const colon = text.indexOf(":");
  const actions = text.slice(0, colon).split(",");
  const known = ACTIONS.filter((action) => actions.includes(action));
  if (colon === -1 || known.length !== new Set(actions).size || colon === text.length - 1) {
    throw new WrongUse(
      `${flag} "${text}": write actions and a topic filter, such as publish,subscribe:data/alice/#`,
    );
  }
  return { actions: known, topic: text.slice(colon + 1) };
}

/** JSON, or @FILE with some in it. @throws {WrongUse} naming the flag */
export function parseJson(flag: string, text: string): unknown {
  const json = readText(flag, text);
  try {
    return JSON.parse(json) as unknown;
  } catch (cause) {
    throw new WrongUse(`${flag} cannot be read: ${(cause as Error).message}.`);
  }
}

/** The text itself, or what stands in @FILE. @throws {WrongUse} naming the flag */
export function readText(flag: string, text: string): string {
  if (!text.startsWith("@")) return text;
  try {
    return readFileSync(text.slice(1), "utf8");
  } catch (cause) {
    throw new WrongUse(`${flag} cannot be read: ${(cause as Error).message}.`);
  }
}
