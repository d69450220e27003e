import Type, { type Static } from "typebox";

/** The body of `POST /backups`. It has no place to write to: that is the operator's alone to say. */
export const BackupBegin = Type.Object(
  {
    store: Type.Optional(
      Type.String({
        maxLength: 64,
        description: "The epoch of the store that is meant (weir store stats); any other is refused with 412",
      }),
    ),
  },
  { additionalProperties: false },
);
export type BackupBegin = Static<typeof BackupBegin>;

/** A copy of the whole store: the directory `backups/{id}` of the broker's data directory. */
export const Backup = Type.Object({
  id: Type.String(),
  state: Type.Enum(["running", "complete", "failed"]),
  createdAt: Type.String({ format: "date-time" }),
  bytes: Type.Integer({ description: "On the disk by now" }),
  expectedBytes: Type.Optional(Type.Integer({ description: "What it will be, about; while it runs" })),
  problem: Type.Optional(Type.String({ description: "Why it failed" })),
});
export type Backup = Static<typeof Backup>;

export const BackupList = Type.Object({ items: Type.Array(Backup) });
export type BackupList = Static<typeof BackupList>;
