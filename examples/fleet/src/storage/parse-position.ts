import Type from "typebox";
import { Compile } from "typebox/compile";
import type { Position } from "../contract/index.ts";

const PositionPayload = Compile(
  Type.Object({
    at: Type.String({ maxLength: 40 }),
    lat: Type.Number({ minimum: -90, maximum: 90 }),
    lon: Type.Number({ minimum: -180, maximum: 180 }),
    speed: Type.Union([Type.Number(), Type.Null()]),
    bearing: Type.Union([Type.Number(), Type.Null()]),
  }),
);

/** The position that a message on `data/{user}/{sensor}` holds; undefined if it holds none. */
export function parsePosition(payload: Uint8Array): Position | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(payload));
    return PositionPayload.Check(value) && !Number.isNaN(Date.parse(value.at)) ? value : undefined;
  } catch {
    return undefined;
  }
}
