import Type, { type Static } from "typebox";

const text = (description: string) => Type.String({ minLength: 1, maxLength: 2_048, description });
const claim = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });

const introspection = {
  endpoint: text("https, or http on loopback (RFC 7662)"),
  clientId: text("With which the broker shows itself to the endpoint"),
  prefix: Type.String({
    maxLength: 64,
    description: "What this provider's opaque tokens begin with; may be empty in the tenant `default` alone",
  }),
  cache: Type.Integer({ minimum: 1, maximum: 3_600, description: "Seconds that an answer counts" }),
  timeout: Type.Integer({ minimum: 1, maximum: 30, description: "Seconds" }),
};

const declared = {
  issuer: text("What the claim iss says"),
  audience: Type.Array(text("What the claim aud may say"), { minItems: 1, maxItems: 32 }),
  jwksUri: text("Where the issuer's public keys are: https, or http on loopback"),
  keys: Type.Array(Type.Record(Type.String(), Type.Unknown()), {
    minItems: 1,
    maxItems: 32,
    description: "The issuer's public keys (JWK)",
  }),
  refreshInterval: Type.Integer({
    minimum: 10,
    maximum: 86_400,
    description: "Seconds between two fetches of the keys",
  }),
  algorithms: Type.Array(Type.String({ maxLength: 16 }), { minItems: 1, maxItems: 16 }),
  clockSkew: Type.Integer({
    minimum: 0,
    maximum: 300,
    description: "Seconds that the issuer's clock may be ahead; exp is never stretched",
  }),
  subjectClaim: claim("Path of the claim that names whom the JWT stands for"),
  groupsClaim: claim("Path of the claim that names groups"),
  groupsFormat: Type.Union([Type.Literal("string"), Type.Literal("array"), Type.Literal("space")], {
    description: "One name, a list of names, or names separated by spaces",
  }),
  clientIdClaim: claim("Path of the claim that says with which client id the JWT may connect"),
  requiredClaims: Type.Record(Type.String(), Type.Unknown(), {
    description: "Path → value that the claim must have, or hold as an element",
  }),
  requiredScope: text("A word that the claim scope (or scp) must hold"),
  maxLifetime: Type.Integer({ minimum: 1, maximum: 31_536_000, description: "Seconds from iat to exp" }),
  realm: Type.String({
    minLength: 1,
    maxLength: 128,
    description: "Of the identities; the provider's own id where none is given",
  }),
};

/** The body of `PUT /providers/{name}`: exactly one of jwksUri, keys, hmacKey, or introspection alone. */
export const ProviderPut = Type.Object(
  {
    ...Type.Partial(
      Type.Object({
        ...declared,
        hmacKey: Type.String({
          maxLength: 1_024,
          description:
            "Secret of HS256, HS384, HS512 in base64url; never shown, and stays where it is left out",
        }),
        introspection: Type.Object(
          {
            endpoint: introspection.endpoint,
            clientId: introspection.clientId,
            clientSecret: Type.Optional(
              Type.String({
                maxLength: 1_024,
                description: "Never shown; stays where it and the endpoint stay as they are",
              }),
            ),
            prefix: Type.Optional(introspection.prefix),
            cache: Type.Optional(introspection.cache),
            timeout: Type.Optional(introspection.timeout),
          },
          { additionalProperties: false },
        ),
      }),
    ).properties,
    issuer: declared.issuer,
    audience: declared.audience,
  },
  { additionalProperties: false },
);
export type ProviderPut = Static<typeof ProviderPut>;

/** An OAuth provider: an issuer whose JWTs are accepted. */
export const Provider = Type.Object({
  name: Type.String(),
  id: Type.String({ description: "The realm of its identities where it has no other" }),
  issuer: declared.issuer,
  audience: declared.audience,
  jwksUri: Type.Optional(declared.jwksUri),
  keys: Type.Optional(declared.keys),
  hasHmacKey: Type.Optional(Type.Boolean()),
  refreshInterval: Type.Optional(declared.refreshInterval),
  algorithms: declared.algorithms,
  clockSkew: declared.clockSkew,
  subjectClaim: declared.subjectClaim,
  groupsClaim: Type.Optional(declared.groupsClaim),
  groupsFormat: declared.groupsFormat,
  clientIdClaim: Type.Optional(declared.clientIdClaim),
  requiredClaims: declared.requiredClaims,
  requiredScope: Type.Optional(declared.requiredScope),
  maxLifetime: declared.maxLifetime,
  introspection: Type.Optional(Type.Object(introspection)),
  realm: declared.realm,
  createdAt: Type.String({ format: "date-time" }),
  updatedAt: Type.String({ format: "date-time" }),
});
export type Provider = Static<typeof Provider>;
