import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import type { Precondition } from "../admin/precondition.ts";
import { RequestError } from "./problem-reply.ts";

const VERSION_TAG = /^"(\d{1,16})"$/;

/** The strong entity tag of a version (RFC 9110 §8.8.3). */
export function versionTag(version: number): string {
  return `"${version}"`;
}

/** The strong entity tag of what says this. */
export function contentTag(content: string | Uint8Array): string {
  return `"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`;
}

/**
 * What a request that changes something expects of its version, by If-Match and If-None-Match (RFC 9110 §13.1).
 *
 * @throws {RequestError} `invalid` for two expectations at once, `precondition` for a tag that is none of ours
 */
export function preconditionOf({ headers }: FastifyRequest): Precondition {
  const { "if-match": ifMatch, "if-none-match": ifNoneMatch } = headers;
  if (ifMatch !== undefined && ifNoneMatch !== undefined)
    throw new RequestError("invalid", "give one of If-Match and If-None-Match");
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch === "*") return 0;
    throw new RequestError("invalid", "If-None-Match: a change knows only *: it must not be there yet");
  }
  if (ifMatch === undefined) return undefined;
  if (ifMatch === "*") return "present";
  const version = VERSION_TAG.exec(ifMatch)?.[1];
  if (version === undefined) throw changed();
  return Number(version);
}

/**
 * Holds If-Match, where there is one, against the tag of what is there.
 *
 * @throws {RequestError} `precondition`
 */
export function requireTag({ headers }: FastifyRequest, presentTag: () => string): void {
  const ifMatch = headers["if-match"];
  if (ifMatch === undefined) return;
  const present = presentTag();
  if (ifMatch !== "*" && ifMatch !== present) throw changed();
}

function changed(): RequestError {
  return new RequestError(
    "precondition",
    "If-Match: this is not the ETag of what is there now; read it again",
  );
}
