import Type, { type Static } from "typebox";

const text = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, description });

/** The body of `POST /revocations`: exactly one of subject, jti, kid and claim. */
export const RevocationCreate = Type.Object(
  {
    realm: text(128, "Of the OAuth provider: its own id where it has no other"),
    subject: Type.Optional(text(256, "Whom the JWTs stand for")),
    jti: Type.Optional(text(1_024, "The id of one JWT")),
    kid: Type.Optional(text(1_024, "The key that they were signed with")),
    claim: Type.Optional(
      Type.Object(
        {
          path: text(256, "Of the claim, names separated by dots"),
          value: Type.Union([Type.String({ maxLength: 1_024 }), Type.Number(), Type.Boolean()], {
            description: "That it has, or holds as an element",
          }),
        },
        { additionalProperties: false },
      ),
    ),
    notBefore: Type.Optional(
      Type.String({
        format: "date-time",
        maxLength: 64,
        description: "Issued before it, they do not count any more; now where it is left out",
      }),
    ),
  },
  { additionalProperties: false },
);
export type RevocationCreate = Static<typeof RevocationCreate>;

/** What counts from now on. */
export const Revocation = Type.Object({
  realm: Type.String(),
  notBefore: Type.String({ format: "date-time" }),
  until: Type.String({ format: "date-time", description: "When the last of them has expired by itself" }),
});
export type Revocation = Static<typeof Revocation>;
