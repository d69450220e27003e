import Type, { type Static } from "typebox";

const Qos = Type.Integer({ minimum: 0, maximum: 2, default: 0 });
const Expiry = Type.Integer({
  minimum: 0,
  maximum: 0xffff_ffff,
  description: "Seconds after which nobody gets it any more",
});

/** The body of `POST /messages`. */
export const MessagePublish = Type.Object(
  {
    topic: Type.String({ minLength: 1 }),
    payload: Type.Optional(
      Type.Unknown({ description: "Text as it is, or any other JSON value, sent as JSON" }),
    ),
    payloadBase64: Type.Optional(Type.String({ description: "Bytes, in place of payload" })),
    qos: Type.Optional(Qos),
    retain: Type.Optional(Type.Boolean({ default: false })),
    expiry: Type.Optional(Expiry),
    contentType: Type.Optional(Type.String()),
    responseTopic: Type.Optional(Type.String({ minLength: 1 })),
    correlationData: Type.Optional(Type.String({ description: "Text, sent as UTF-8" })),
    correlationDataBase64: Type.Optional(Type.String({ description: "Bytes, in place of correlationData" })),
    userProperties: Type.Optional(
      Type.Union([
        Type.Record(Type.String(), Type.String()),
        Type.Array(Type.Tuple([Type.String(), Type.String()]), { maxItems: 1_000 }),
      ]),
    ),
  },
  { additionalProperties: false },
);
export type MessagePublish = Static<typeof MessagePublish>;

/** What is answered once the engine has made its promise. */
export const Published = Type.Object({}, { description: "It is as durable as the engine promises" });

/** The query of `PUT /topics/{topic}`, whose body is the payload. */
export const TopicPutQuery = Type.Object(
  { qos: Type.Optional(Qos), retain: Type.Optional(Type.Boolean()), expiry: Type.Optional(Expiry) },
  { additionalProperties: false },
);
export type TopicPutQuery = Static<typeof TopicPutQuery>;
