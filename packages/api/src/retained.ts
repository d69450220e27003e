import Type, { type Static } from "typebox";
import { PageQuery } from "./page.ts";

/** Which retained messages. */
export const RetainedQuery = Type.Object(
  {
    filter: Type.String({ minLength: 1, description: "A topic filter" }),
    ...PageQuery.properties,
  },
  { additionalProperties: false },
);
export type RetainedQuery = Static<typeof RetainedQuery>;

export const RetainedDeleteQuery = Type.Object(
  { filter: Type.String({ minLength: 1, description: "A topic filter" }) },
  { additionalProperties: false },
);
export type RetainedDeleteQuery = Static<typeof RetainedDeleteQuery>;

/** A retained message: `payload` where it is text in UTF-8, else `payloadBase64`. */
export const RetainedMessage = Type.Object({
  topic: Type.String(),
  payload: Type.Optional(Type.String()),
  payloadBase64: Type.Optional(Type.String()),
  qos: Type.Integer(),
  expiresAt: Type.Optional(Type.String({ format: "date-time" })),
  contentType: Type.Optional(Type.String()),
  responseTopic: Type.Optional(Type.String()),
  correlationDataBase64: Type.Optional(Type.String()),
  userProperties: Type.Optional(Type.Array(Type.Tuple([Type.String(), Type.String()]))),
});
export type RetainedMessage = Static<typeof RetainedMessage>;

export const RetainedDeleted = Type.Object({
  count: Type.Integer({ description: "How many were cleared" }),
  refused: Type.Integer({ description: "How many match and may not be published by the caller" }),
});
export type RetainedDeleted = Static<typeof RetainedDeleted>;
