import Type from "typebox";

/** The path parameter of everything that has an id. */
export const IdPath = Type.Object({ id: Type.String({ maxLength: 256 }) });

/** The path parameter of everything that has a name. */
export const NamePath = Type.Object({
  name: Type.String({ maxLength: 256, description: "1 to 128 characters of 0-9 A-Z a-z . _ -" }),
});

/** The path parameter of what has a topic, which may hold slashes. */
export const TopicPath = Type.Object({ "*": Type.String() });
