import Type, { type Static, type TSchema } from "typebox";
import { PolicyEntry } from "./policy-entry.ts";

const text = (maxLength: number, description: string) => Type.String({ maxLength, description });
const texts = (maxItems: number, description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 1_024 }), { maxItems, description });

export const Scope = Type.Enum(
  ["tokens", "sessions", "messages", "policies", "providers", "metrics", "audit", "admin", "tenants"],
  { description: "What it may do over REST; admin is all of them in its tenant, tenants is the system's" },
);

export const QueuePolicy = Type.Enum(["drop-oldest", "drop-newest", "latest-per-topic", "disconnect"], {
  description: "What becomes of a session's queue that has reached a bound",
});

const limits = {
  connections: Type.Integer({ minimum: 0 }),
  publishRate: Type.Number({ minimum: 0, description: "Messages a second" }),
  publishBytesRate: Type.Number({ minimum: 0, description: "Bytes a second" }),
  subscriptions: Type.Integer({ minimum: 0 }),
  queuedMessages: Type.Integer({ minimum: 0 }),
  queuedBytes: Type.Integer({ minimum: 0 }),
  queuedAge: Type.Integer({ minimum: 0, description: "Seconds that a message may wait for a session" }),
  queuePolicy: QueuePolicy,
  sessionExpiry: Type.Integer({ minimum: 0, description: "Seconds" }),
};
export const Limits = Type.Partial(Type.Object(limits), {
  additionalProperties: false,
  description: "The lowest of its own, its groups' and its tenant's count",
});
const Metadata = Type.Record(Type.String(), Type.Unknown(), { description: "Yours; at most 16 KiB as JSON" });

const bindings = {
  clientIds: texts(1_000, "Client ids that it may connect with, * for any characters; empty: all"),
  origins: texts(100, "Origins of web pages that may use it, * for any characters; empty: all"),
  networks: texts(100, "Networks (CIDR) that it may be used from; empty: all"),
};

const Seconds = (description: string) => Type.Integer({ minimum: 1, maximum: 315_360_000, description });

const mintBounds = {
  acl: Type.Array(PolicyEntry, {
    maxItems: 100,
    description:
      "Each allow entry of a made token lies inside one of these, ${subject} being its own; deny entries hold for all",
  }),
  clientIds: bindings.clientIds,
  maxTtl: Seconds("The longest ttl, and the one of a token that is made without"),
  maxExpiresIn: Seconds("How far away expiresAt may be, and is where a token is made without"),
  maxTokens: Type.Integer({
    minimum: 0,
    maximum: 10_000_000,
    default: 100_000,
    description: "How many made tokens there may be at one time",
  }),
  limits: Limits,
  origins: bindings.origins,
  networks: bindings.networks,
};
const MintSubjects = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
  minItems: 1,
  maxItems: 100,
  description: "For whom it may make tokens, * for any characters",
  examples: [["user:*"]],
});

/** What a minting token may give: with it, and without any scope, its holder makes tokens (`POST /tokens`). */
const Mint = Type.Object(
  { subjects: MintSubjects, ...Type.Partial(Type.Object(mintBounds)).properties },
  {
    additionalProperties: false,
    description:
      "Makes it a minting token: it may make tokens within this template, and read, change and end those and their sessions",
  },
);

const settings = {
  name: text(256, "For people"),
  acl: Type.Array(PolicyEntry, { maxItems: 1_000 }),
  policies: texts(64, "Names of policies, whose entries count besides the ACL"),
  ttl: Seconds("Seconds without use after which it ends"),
  expiresAt: Type.String({
    maxLength: 64,
    description: "RFC 3339: when it ends, whatever its use",
    format: "date-time",
  }),
  enabled: Type.Boolean(),
  scopes: Type.Array(Scope, { maxItems: 16 }),
  mint: Mint,
  limits: Limits,
  ...bindings,
  metadata: Metadata,
};

const credentials = {
  username: text(1_024, "With it and the password a client may connect that can show no key"),
  password: text(
    1_024,
    "Never shown; stored as argon2id. A verifier that begins with $7$ (mosquitto) or $argon2id$ is taken as it is",
  ),
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

const orNull = <S extends TSchema>(schema: S) => Type.Optional(Type.Union([schema, Type.Null()]));

const LimitsPatch = Type.Object(
  {
    connections: orNull(limits.connections),
    publishRate: orNull(limits.publishRate),
    publishBytesRate: orNull(limits.publishBytesRate),
    subscriptions: orNull(limits.subscriptions),
    queuedMessages: orNull(limits.queuedMessages),
    queuedBytes: orNull(limits.queuedBytes),
    queuedAge: orNull(limits.queuedAge),
    queuePolicy: orNull(limits.queuePolicy),
    sessionExpiry: orNull(limits.sessionExpiry),
  },
  { additionalProperties: false },
);
const MintPatch = Type.Object(
  {
    subjects: Type.Optional(MintSubjects),
    acl: orNull(mintBounds.acl),
    clientIds: orNull(mintBounds.clientIds),
    maxTtl: orNull(mintBounds.maxTtl),
    maxExpiresIn: orNull(mintBounds.maxExpiresIn),
    maxTokens: orNull(mintBounds.maxTokens),
    limits: orNull(LimitsPatch),
    origins: orNull(mintBounds.origins),
    networks: orNull(mintBounds.networks),
  },
  { additionalProperties: false },
);

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
    mint: Type.Union([MintPatch, Type.Null()]),
    limits: Type.Union([LimitsPatch, Type.Null()]),
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
  {
    sessions: Type.Optional(Type.Boolean({ description: "Delete the sessions made with it, too" })),
    minted: Type.Optional(
      Type.Enum(["keep"], { description: "What it made goes on, under its template as it is now" }),
    ),
  },
  { additionalProperties: false },
);
export type TokenDeleteQuery = Static<typeof TokenDeleteQuery>;
