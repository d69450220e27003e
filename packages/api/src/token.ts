import Type, { type Static } from "typebox";
import { PolicyEntry } from "./policy-entry.ts";

const text = (maxLength: number, description: string) => Type.String({ maxLength, description });
const texts = (maxItems: number, description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 1_024 }), { maxItems, description });

const Scope = Type.Enum(
  ["tokens", "sessions", "messages", "policies", "providers", "metrics", "audit", "admin", "tenants"],
  { description: "What it may do over REST; admin is all of them in its tenant, tenants is the system's" },
);

const Limits = Type.Object(
  {
    connections: Type.Optional(Type.Integer({ minimum: 0 })),
    publishRate: Type.Optional(Type.Number({ minimum: 0, description: "Messages a second" })),
    publishBytesRate: Type.Optional(Type.Number({ minimum: 0, description: "Bytes a second" })),
    subscriptions: Type.Optional(Type.Integer({ minimum: 0 })),
    queuedMessages: Type.Optional(Type.Integer({ minimum: 0 })),
    queuedBytes: Type.Optional(Type.Integer({ minimum: 0 })),
    sessionExpiry: Type.Optional(Type.Integer({ minimum: 0, description: "Seconds" })),
  },
  { additionalProperties: false, description: "Not available yet: must be empty" },
);
const Mint = Type.Object(
  {},
  { additionalProperties: true, description: "Template of a minting token; not available yet" },
);
const Metadata = Type.Record(Type.String(), Type.Unknown(), { description: "Yours; at most 16 KiB as JSON" });

const settings = {
  name: text(256, "For people"),
  acl: Type.Array(PolicyEntry, { maxItems: 1_000 }),
  policies: texts(64, "Names of policies; not available yet: must be empty"),
  ttl: Type.Integer({
    minimum: 1,
    maximum: 315_360_000,
    description: "Seconds without use after which it ends",
  }),
  expiresAt: Type.String({
    maxLength: 64,
    description: "RFC 3339: when it ends, whatever its use",
    format: "date-time",
  }),
  enabled: Type.Boolean(),
  scopes: Type.Array(Scope, { maxItems: 16 }),
  mint: Mint,
  limits: Limits,
  clientIds: texts(1_000, "Client ids that it may connect with, * for any characters; empty: all"),
  origins: texts(100, "Origins of web pages that may use it, * for any characters; empty: all"),
  networks: texts(100, "Networks (CIDR) that it may be used from; empty: all"),
  metadata: Metadata,
};

const credentials = {
  username: text(1_024, "Not available yet"),
  password: text(1_024, "Not available yet; never shown"),
};

const owner = {
  subject: Type.String({
    minLength: 1,
    maxLength: 256,
    description: "Whom it stands for; its id where none is given",
  }),
  tenant: Type.String({ minLength: 1, maxLength: 256 }),
};

/** An access token, without its key. */
export const Token = Type.Object({
  id: Type.String(),
  ...owner,
  name: settings.name,
  username: Type.Optional(credentials.username),
  acl: settings.acl,
  policies: settings.policies,
  ttl: Type.Optional(settings.ttl),
  expiresAt: Type.Optional(settings.expiresAt),
  enabled: settings.enabled,
  scopes: settings.scopes,
  mint: Type.Optional(Mint),
  limits: Limits,
  clientIds: settings.clientIds,
  origins: settings.origins,
  networks: settings.networks,
  metadata: Metadata,
  mintedBy: Type.Optional(Type.String({ description: "The id of the token that made it" })),
  createdAt: Type.String({ format: "date-time" }),
  lastUsedAt: Type.Optional(Type.String({ format: "date-time" })),
});
export type Token = Static<typeof Token>;

/** What `POST /tokens` answers: the only time that the key is shown. */
export const CreatedToken = Type.Object({
  key: Type.String({ description: "Shown this once" }),
  ...Token.properties,
});
export type CreatedToken = Static<typeof CreatedToken>;

/** The body of `POST /tokens`. */
export const TokenCreate = Type.Partial(Type.Object({ ...owner, ...credentials, ...settings }), {
  additionalProperties: false,
});
export type TokenCreate = Static<typeof TokenCreate>;

const unchanging = Type.Unknown({ description: "Never changes: may only be given as it is" });

/** The body of `PATCH /tokens/{id}`, a JSON Merge Patch (RFC 7396): null takes a member away. */
export const TokenPatch = Type.Partial(
  Type.Object({
    name: Type.Union([settings.name, Type.Null()]),
    username: Type.Union([credentials.username, Type.Null()]),
    password: Type.Union([credentials.password, Type.Null()]),
    acl: Type.Union([settings.acl, Type.Null()]),
    policies: Type.Union([settings.policies, Type.Null()]),
    ttl: Type.Union([settings.ttl, Type.Null()]),
    expiresAt: Type.Union([settings.expiresAt, Type.Null()]),
    enabled: Type.Union([settings.enabled, Type.Null()]),
    scopes: Type.Union([settings.scopes, Type.Null()]),
    mint: Type.Union([Mint, Type.Null()]),
    limits: Type.Union([Limits, Type.Null()]),
    clientIds: Type.Union([settings.clientIds, Type.Null()]),
    origins: Type.Union([settings.origins, Type.Null()]),
    networks: Type.Union([settings.networks, Type.Null()]),
    metadata: Type.Union([Metadata, Type.Null()]),
    id: unchanging,
    realm: unchanging,
    subject: unchanging,
    tenant: unchanging,
    mintedBy: unchanging,
    createdAt: unchanging,
  }),
  { additionalProperties: false },
);
export type TokenPatch = Static<typeof TokenPatch>;

export const TokenDeleteQuery = Type.Object(
  { sessions: Type.Optional(Type.Boolean({ description: "Delete the sessions made with it, too" })) },
  { additionalProperties: false },
);
export type TokenDeleteQuery = Static<typeof TokenDeleteQuery>;
