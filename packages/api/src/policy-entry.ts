import Type, { type Static } from "typebox";

/** One line of an ACL: a deny beats every allow, and what nothing matches is not allowed. */
export const PolicyEntry = Type.Object(
  {
    effect: Type.Optional(Type.Union([Type.Literal("allow"), Type.Literal("deny")], { default: "allow" })),
    actions: Type.Array(
      Type.Union([Type.Literal("publish"), Type.Literal("subscribe"), Type.Literal("replay")]),
      {
        minItems: 1,
      },
    ),
    topic: Type.String({
      description: "A topic filter; ${subject}, ${clientId}, ${tokenId} are filled in when a client connects",
      examples: ["data/${subject}/#"],
    }),
    maxQos: Type.Optional(
      Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)], {
        description: "On allow entries only",
      }),
    ),
    retain: Type.Optional(
      Type.Boolean({ description: "Whether retained messages may be published; on allow entries only" }),
    ),
    share: Type.Optional(
      Type.Array(Type.String(), {
        description: "Share groups of the whole tenant that this entry opens; on allow entries only",
      }),
    ),
    maxAge: Type.Optional(
      Type.Integer({
        minimum: 1,
        description: "How old a message may be to be replayed, in seconds; on allow entries with replay only",
      }),
    ),
  },
  { additionalProperties: false },
);
export type PolicyEntry = Static<typeof PolicyEntry>;
