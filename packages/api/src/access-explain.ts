import Type, { type Static } from "typebox";
import { PolicyEntry } from "./policy-entry.ts";
import { whoIsMeant } from "./session.ts";

const { token: tokenId, provider, claims } = whoIsMeant;

/** The body of `POST /access/explain`: why does this user (not) see this? */
export const AccessQuestion = Type.Object(
  {
    tokenId,
    provider,
    claims,
    clientId: Type.Optional(
      Type.String({ maxLength: 65_535, description: "Where the ACL asks for ${clientId}" }),
    ),
    action: Type.Enum(["publish", "subscribe", "replay"]),
    topic: Type.String({ minLength: 1, description: "A topic; a topic filter for subscribe" }),
    qos: Type.Optional(Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)])),
    retain: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type AccessQuestion = Static<typeof AccessQuestion>;

/** An entry that speaks of the topic, and where it comes from. */
export const DecidingEntry = Type.Object({
  entry: PolicyEntry,
  from: Type.String({ description: "acl, policy {name}, or template {id of the minting token}" }),
  filters: Type.Array(Type.String(), { description: "With its placeholders filled in" }),
});
export type DecidingEntry = Static<typeof DecidingEntry>;

export const AccessAnswer = Type.Object({
  allowed: Type.Boolean(),
  reason: Type.String({ description: "In words" }),
  entries: Type.Array(DecidingEntry, { description: "What decided: a deny, or the entries that allow it" }),
  effective: Type.Optional(
    Type.Array(Type.String(), { description: "For subscribe: what of the filter would be delivered" }),
  ),
});
export type AccessAnswer = Static<typeof AccessAnswer>;
