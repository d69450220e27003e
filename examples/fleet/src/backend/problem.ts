/** A request that cannot be answered as it is: told to the page as `application/problem+json` (RFC 9457). */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export const signedOut = (): Problem => new Problem(401, "signed-out", "Log in first.");
export const notFound = (what: string): Problem => new Problem(404, "not-found", `There is no such ${what}.`);
