import Type, { type Static } from "typebox";
import { PageQuery } from "./page.ts";

/** Which entries, the newest first; all that are given must hold. */
export const AuditQuery = Type.Object(
  {
    ...PageQuery.properties,
    action: Type.Optional(
      Type.String({ maxLength: 256, description: "Such as tokens.create; tokens.* for all of tokens" }),
    ),
    target: Type.Optional(Type.String({ maxLength: 1_024, description: "Id or name of what was changed" })),
    subject: Type.Optional(Type.String({ maxLength: 1_024, description: "Who did it" })),
    token: Type.Optional(Type.String({ maxLength: 256, description: "The id of the token that did it" })),
    since: Type.Optional(Type.String({ maxLength: 64, format: "date-time" })),
    until: Type.Optional(Type.String({ maxLength: 64, format: "date-time" })),
  },
  { additionalProperties: false },
);
export type AuditQuery = Static<typeof AuditQuery>;

/** A change: who made it, when, from where, and of what. Never a value that was set. */
export const AuditEntry = Type.Object({
  id: Type.String(),
  at: Type.String({ format: "date-time" }),
  actor: Type.Object({
    realm: Type.String(),
    subject: Type.String(),
    tenant: Type.String(),
    token: Type.Optional(Type.String({ description: "The id of its access token" })),
    provider: Type.Optional(Type.String({ description: "The OAuth provider whose JWT it showed" })),
  }),
  action: Type.String({ description: "Such as tokens.create" }),
  target: Type.Optional(Type.String({ description: "Id or name of what was changed" })),
  address: Type.String({ description: "Where the request came from" }),
  outcome: Type.Enum(["done", "unknown"], {
    description: "unknown: the engine has not confirmed it; it may have happened all the same",
  }),
  query: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  values: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: "Whom or what the body was about" }),
  ),
  members: Type.Optional(Type.Array(Type.String(), { description: "What the body named" })),
});
export type AuditEntry = Static<typeof AuditEntry>;
