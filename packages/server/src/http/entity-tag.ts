import type { FastifyRequest } from "fastify";
import type { Precondition } from "../admin/precondition.ts";
import { RequestError } from "./problem-reply.ts";

const VERSION_TAG = /^"(\d{1,16})"$/;

/** The strong entity tag of a version (RFC 9110 §8.8.3). */
export function versionTag(version: number): string {
  return `"${version}"`;
}

/**
 * What a request that changes something expects of it, by If-Match and If-None-Match (RFC 9110 §13.1).
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
  if (version === undefined)
    throw new RequestError("precondition", "If-Match: this is not the ETag of what is there; read it again");
  return Number(version);
}
