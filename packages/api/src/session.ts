import Type, { type Static } from "typebox";
import { PageQuery } from "./page.ts";

const shortText = (description: string) => Type.Optional(Type.String({ maxLength: 1_024, description }));

/** Which sessions; all that are given must hold. */
const filters = {
  clientId: Type.Optional(Type.String({ maxLength: 65_535 })),
  subject: Type.Optional(Type.String({ maxLength: 65_535 })),
  token: shortText("The id of the token that its client uses"),
  issuer: shortText("Who issued the JWT that its client uses"),
  kid: shortText("The id of the key that signed that JWT"),
  group: shortText("What the JWT's claims say of groups"),
};

const Qos = Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)]);

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
  provider: Type.Optional(Type.String({ description: "The OAuth provider whose JWT its client uses" })),
  issuer: Type.Optional(Type.String()),
  kid: Type.Optional(Type.String({ description: "The id of the key that signed the JWT" })),
  groups: Type.Optional(Type.Array(Type.String(), { description: "What the JWT's claims say of groups" })),
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
  queuedBytes: Type.Integer(),
  queuePolicy: Type.Enum(["drop-oldest", "drop-newest", "latest-per-topic", "disconnect"], {
    description: "What happens when more waits than may",
  }),
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

/** One subscription that a session is to have. */
export const SubscriptionRequest = Type.Object(
  {
    filter: Type.String({ minLength: 1, description: "A topic filter; $share/{group}/{filter} too" }),
    qos: Type.Optional(Qos),
    noLocal: Type.Optional(Type.Boolean({ default: false })),
    retainAsPublished: Type.Optional(Type.Boolean({ default: false })),
    retainHandling: Type.Optional(
      Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)], {
        description: "Retained messages: 0 always, 1 where the subscription is new, 2 never",
      }),
    ),
    identifier: Type.Optional(Type.Integer({ minimum: 1, maximum: 268_435_455 })),
  },
  { additionalProperties: false },
);
export type SubscriptionRequest = Static<typeof SubscriptionRequest>;

const subscriptionList = Type.Array(SubscriptionRequest, { maxItems: 100 });

/** The body of `PUT /sessions/{id}/subscriptions`: these are added to those that it has, or replace them by filter. */
export const SubscriptionsPut = Type.Object(
  { subscriptions: subscriptionList },
  { additionalProperties: false },
);
export type SubscriptionsPut = Static<typeof SubscriptionsPut>;

/** Which subscriptions to end. */
export const SubscriptionsDeleteQuery = Type.Object(
  {
    filter: Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 100 })], {
      description: "As requested; give it several times for several",
    }),
  },
  { additionalProperties: false },
);
export type SubscriptionsDeleteQuery = Static<typeof SubscriptionsDeleteQuery>;

export const SubscriptionsDeleted = Type.Object({
  count: Type.Integer({ description: "How many of them there were" }),
});
export type SubscriptionsDeleted = Static<typeof SubscriptionsDeleted>;

/** Whom a session is for, or about whom something is asked: an access token, or whoever has these claims. */
export const whoIsMeant = {
  token: Type.Optional(Type.String({ maxLength: 256, description: "The id of an access token" })),
  provider: Type.Optional(Type.String({ maxLength: 256, description: "The name of an OAuth provider" })),
  claims: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: "What a JWT of that provider would say" }),
  ),
};

/** The body of `POST /sessions`. */
export const SessionCreate = Type.Object(
  {
    ...whoIsMeant,
    clientId: Type.String({ minLength: 1, maxLength: 65_535 }),
    sessionExpiry: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 0xffff_ffff,
        description: "Seconds that it waits for its client; the broker's bound where none is given",
      }),
    ),
    subscriptions: Type.Optional(subscriptionList),
  },
  { additionalProperties: false },
);
export type SessionCreate = Static<typeof SessionCreate>;
