import Type, { type Static } from "typebox";
import { PageQuery } from "./page.ts";

/** Which sessions; all that are given must hold. */
const filters = {
  clientId: Type.Optional(Type.String({ maxLength: 65_535 })),
  subject: Type.Optional(Type.String({ maxLength: 65_535 })),
  token: Type.Optional(
    Type.String({ maxLength: 64, description: "The id of the token that its client uses" }),
  ),
};

export const SessionSubscription = Type.Object({
  filter: Type.String({ description: "As requested" }),
  qos: Type.Integer(),
  noLocal: Type.Boolean(),
  retainAsPublished: Type.Boolean(),
  identifier: Type.Optional(Type.Integer()),
  effective: Type.Array(Type.String(), { description: "What of it the ACL allows, and the broker delivers" }),
});

/** An MQTT session, connected or not. */
export const Session = Type.Object({
  id: Type.String(),
  clientId: Type.String(),
  identity: Type.Object({ realm: Type.String(), subject: Type.String() }),
  tenant: Type.String(),
  token: Type.Optional(Type.String({ description: "The id of the token that its client uses" })),
  address: Type.Optional(Type.String()),
  transport: Type.Optional(Type.String()),
  protocol: Type.Optional(Type.String({ description: "The version of MQTT: 3.1, 3.1.1 or 5.0" })),
  connected: Type.Boolean(),
  connectedSince: Type.Optional(Type.String({ format: "date-time" })),
  principalExpiresAt: Type.Optional(Type.String({ format: "date-time" })),
  sessionExpiry: Type.Optional(
    Type.Number({ description: "Seconds from its disconnect; absent: it never expires" }),
  ),
  subscriptions: Type.Array(SessionSubscription),
  queued: Type.Integer({ description: "Messages that wait for it" }),
  inFlight: Type.Integer({ description: "Messages that were sent and not acknowledged" }),
  dropped: Type.Integer({
    description: "Messages that it did not get, because it was too slow or they expired",
  }),
});
export type Session = Static<typeof Session>;

export const SessionQuery = Type.Object(
  { ...PageQuery.properties, ...filters, connected: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
);
export type SessionQuery = Static<typeof SessionQuery>;

export const SessionDeleteQuery = Type.Object(
  { state: Type.Optional(Type.Enum(["keep", "delete"], { description: "keep: only disconnect" })) },
  { additionalProperties: false },
);
export type SessionDeleteQuery = Static<typeof SessionDeleteQuery>;

/** Which sessions to end: at least one filter must be given. */
export const SessionsDeleteQuery = Type.Object(
  { ...SessionDeleteQuery.properties, ...filters },
  { additionalProperties: false, minProperties: 1 },
);
export type SessionsDeleteQuery = Static<typeof SessionsDeleteQuery>;

export const SessionsDeleted = Type.Object({
  count: Type.Integer({ description: "How many sessions were ended" }),
});
export type SessionsDeleted = Static<typeof SessionsDeleted>;
