import Type, { type Static } from "typebox";
import { PolicyEntry } from "./policy-entry.ts";

const times = {
  createdAt: Type.String({ format: "date-time" }),
  updatedAt: Type.String({ format: "date-time" }),
};

/** The body of `PUT /policies/{name}`. */
export const PolicyPut = Type.Object(
  { entries: Type.Array(PolicyEntry, { maxItems: 1_000 }) },
  { additionalProperties: false },
);
export type PolicyPut = Static<typeof PolicyPut>;

/** A named policy, which tokens and groups refer to. */
export const Policy = Type.Object({ name: Type.String(), entries: Type.Array(PolicyEntry), ...times });
export type Policy = Static<typeof Policy>;
