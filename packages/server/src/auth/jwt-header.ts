import type { JwtAlgorithm } from "../core/access/oauth-provider.ts";
import type { Claims, OAuthRefusal } from "./oauth-claims.ts";

/** A JWT taken apart; nothing of it is proven. */
export interface UnverifiedJwt {
  readonly text: string;
  readonly algorithm: JwtAlgorithm;
  readonly kid: string | undefined;
  readonly claims: Claims;
}

/** What an issuer has to say fits in a header of HTTP. */
const MAX_JWT_CHARACTERS = 12_288;
const SHAPE = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;
/** What a JWT may say that it is: others are for other uses (RFC 8725 §3.11). */
const TYPES = ["jwt", "at+jwt"];

/** Whether somebody meant this to be a JWT: the text of a JSON object, and more parts. */
export function looksLikeJwt(text: string): boolean {
  return text.startsWith("eyJ") && text.includes(".");
}

/**
 * Takes a JWT apart, without believing it. `jku`, `jwk`, `x5u`, `x5c` are not looked at: keys come from the provider
 * alone (semantics.md §1.12).
 */
export function parseJwt(text: string): UnverifiedJwt | OAuthRefusal {
  if (text.length > MAX_JWT_CHARACTERS) return "jwt-too-large";
  if (!SHAPE.test(text)) return "jwt-malformed";
  const [head = "", body = ""] = text.split(".");
  const header = parsePart(head);
  const claims = parsePart(body);
  if (!header || !claims) return "jwt-malformed";
  const { alg, kid, typ, crit } = header;
  if (crit !== undefined) return "jwt-critical";
  if (typ !== undefined && !isKnownType(typ)) return "jwt-type";
  if (typeof alg !== "string" || (kid !== undefined && typeof kid !== "string")) return "jwt-malformed";
  return { text, algorithm: alg as JwtAlgorithm, kid, claims };
}

function isKnownType(typ: unknown): boolean {
  return typeof typ === "string" && TYPES.includes(typ.toLowerCase().replace(/^application\//, ""));
}

function parsePart(base64url: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(base64url, "base64url"));
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
