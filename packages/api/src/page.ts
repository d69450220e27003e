import Type, {
  type Static,
  type TArray,
  type TObject,
  type TOptional,
  type TSchema,
  type TString,
} from "typebox";

export const DEFAULT_PAGE_LIMIT = 100;
export const MAX_PAGE_LIMIT = 1_000;

/** Which part of a list is asked for. */
export const PageQuery = Type.Object(
  {
    cursor: Type.Optional(
      Type.String({ maxLength: 2_048, description: "`next` of the page before; absent: the first page" }),
    ),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_PAGE_LIMIT,
        default: DEFAULT_PAGE_LIMIT,
        description: "How many at most",
      }),
    ),
  },
  { additionalProperties: false },
);
export type PageQuery = Static<typeof PageQuery>;

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** The cursor of the next page; absent on the last. */
  readonly next?: string;
}

/** What `pageSchema` makes. */
export type PageSchema<Item extends TSchema> = TObject<{
  items: TArray<Item>;
  next: TOptional<TString>;
}>;

export function pageSchema<Item extends TSchema>(item: Item): PageSchema<Item> {
  return Type.Object({
    items: Type.Array(item),
    next: Type.Optional(Type.String({ description: "The cursor of the next page; absent on the last" })),
  });
}
