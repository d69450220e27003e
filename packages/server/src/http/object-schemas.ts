import type { TSchema } from "typebox";

/** How one kind of named objects is written and shown. */
export interface ObjectSchemas {
  /** The body of PUT. */
  readonly put: TSchema;
  /** What is answered. */
  readonly shown: TSchema;
}

/** By the path of the collection. */
export const objectSchemas: Readonly<Record<string, ObjectSchemas>> = {};
