import Type, { type Static } from "typebox";
import { PageQuery } from "./page.ts";
import { RetainedMessage } from "./retained.ts";

const declared = {
  filter: Type.String({ minLength: 1, description: "Topics that are always logged", examples: ["data/#"] }),
  maxAge: Type.Integer({ minimum: 1, default: 604_800, description: "Seconds; older messages are let go" }),
  maxBytes: Type.Integer({
    minimum: 1,
    default: 1_073_741_824,
    description: "Of all its messages; the oldest are let go",
  }),
  verifiedPublisher: Type.Boolean({
    default: false,
    description: "Its messages say who published them, in user properties",
  }),
};

/** The body of `PUT /histories/{name}`. */
export const HistoryPut = Type.Object(
  {
    filter: declared.filter,
    maxAge: Type.Optional(declared.maxAge),
    maxBytes: Type.Optional(declared.maxBytes),
    verifiedPublisher: Type.Optional(declared.verifiedPublisher),
  },
  { additionalProperties: false },
);
export type HistoryPut = Static<typeof HistoryPut>;

/** Topics that are always logged, so that clients can replay what was published. */
export const History = Type.Object({
  name: Type.String(),
  ...declared,
  createdAt: Type.String({ format: "date-time" }),
  updatedAt: Type.String({ format: "date-time" }),
});
export type History = Static<typeof History>;

/** Which messages of a history. */
export const HistoryMessagesQuery = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        minLength: 1,
        description: "An RFC 3339 time, a duration back from now (-10m), or a position",
      }),
    ),
    filter: Type.Optional(Type.String({ minLength: 1, description: "A topic filter" })),
    ...PageQuery.properties,
  },
  { additionalProperties: false },
);
export type HistoryMessagesQuery = Static<typeof HistoryMessagesQuery>;

/** A message of a history: `payload` where it is text in UTF-8, else `payloadBase64`. */
export const HistoryMessage = Type.Object({
  ...RetainedMessage.properties,
  publishedAt: Type.String({ format: "date-time" }),
  position: Type.String({ description: "A replay since it begins behind this message" }),
});
export type HistoryMessage = Static<typeof HistoryMessage>;

/** A part of a history, the oldest first. It may be empty, and there is more all the same while there is a `next`. */
export const HistoryMessages = Type.Object({
  items: Type.Array(HistoryMessage),
  next: Type.Optional(Type.String({ description: "The cursor of the next part" })),
  truncated: Type.Boolean({ description: "There was more once of what was asked for" }),
});
export type HistoryMessages = Static<typeof HistoryMessages>;
