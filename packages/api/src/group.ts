import Type, { type Static } from "typebox";
import { Limits, Scope } from "./token.ts";

const declared = {
  provider: Type.String({
    minLength: 1,
    maxLength: 128,
    description: "The OAuth provider whose word counts, by name",
  }),
  value: Type.String({
    minLength: 1,
    maxLength: 1_024,
    description: "What the provider's groups claim holds for those who are in the group",
  }),
  policies: Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
    maxItems: 64,
    description: "Names of policies",
  }),
  limits: Limits,
  scopes: Type.Array(Scope, { maxItems: 16 }),
};

/** The body of `PUT /groups/{name}`. */
export const GroupPut = Type.Object(
  {
    provider: declared.provider,
    value: declared.value,
    policies: Type.Optional(declared.policies),
    limits: Type.Optional(declared.limits),
    scopes: Type.Optional(declared.scopes),
  },
  { additionalProperties: false },
);
export type GroupPut = Static<typeof GroupPut>;

/** An authorization group: policies, limits and scopes of those whose JWT says that they are in it. */
export const Group = Type.Object({
  name: Type.String(),
  ...declared,
  createdAt: Type.String({ format: "date-time" }),
  updatedAt: Type.String({ format: "date-time" }),
});
export type Group = Static<typeof Group>;
