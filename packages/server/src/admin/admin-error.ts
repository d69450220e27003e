import { EngineError } from "../core/ports/engine.ts";

export type AdminErrorCode =
  | "invalid"
  | "scope"
  | "acl"
  | "not-found"
  | "conflict"
  | "precondition"
  | "too-large"
  | "rate"
  | "not-durable"
  | "unavailable";

/** A use case was refused. The message is for the caller, says what to do about it, and holds no credential. */
export class AdminError extends Error {
  override readonly name = "AdminError";
  readonly code: AdminErrorCode;
  /** Seconds, with `rate`. */
  readonly retryAfterS: number | undefined;

  constructor(code: AdminErrorCode, message: string, retryAfterS?: number) {
    super(message);
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/**
 * Awaits what the engine does, and says its failures in the caller's words.
 *
 * @throws {AdminError} `conflict`, `unavailable`, or `not-durable` where the outcome is not known
 */
export async function settleInEngine<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.maybeApplied)
      throw new AdminError(
        "not-durable",
        "the engine has not confirmed it; it may have happened all the same",
      );
    if (error.code === "conflict")
      throw new AdminError("conflict", "it was changed or deleted at the same time; read it again");
    if (error.code === "full") throw new AdminError("unavailable", error.message);
    throw new AdminError("unavailable", `the engine cannot do it now (${error.code})`);
  }
}
