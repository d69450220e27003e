import Type, { type Static } from "typebox";

/** What `POST /tickets` answers: open `/mqtt?ticket=…` with it, once, from the same web page. */
export const Ticket = Type.Object({
  ticket: Type.String({ description: "Good for one connection; shown this once" }),
  expiresAt: Type.String({ format: "date-time", description: "In 30 seconds" }),
});
export type Ticket = Static<typeof Ticket>;
