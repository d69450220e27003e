/** Which credentials of a realm a revocation is about. */
export type RevocationSelector =
  | { readonly kind: "subject" | "jti" | "kid"; readonly value: string }
  /** Those whose claim at the path has the value, or holds it as an element. */
  | { readonly kind: "claim"; readonly path: string; readonly value: string | number | boolean };

/** The credentials of OAuth providers that were issued before a time do not count any more. */
export interface Revocation {
  readonly realm: string;
  readonly selector: RevocationSelector;
  /** Milliseconds since the epoch. */
  readonly notBeforeMs: number;
  /** When the last of them has expired by itself. */
  readonly untilMs: number;
}
