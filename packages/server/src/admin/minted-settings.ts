import { type AccessTokenSettings, globMatches } from "../core/access/access-token.ts";
import { parseIpNetwork } from "../core/access/ip-network.ts";
import { findEntryOutside, type MintTemplate } from "../core/access/mint-template.ts";
import { principalLimitNames } from "../core/access/principal-limits.ts";
import { isTemplateValue } from "../core/access/template.ts";
import { AdminError } from "./admin-error.ts";

/**
 * The settings of a made token, if they lie inside the template; ends that were not asked for are the latest that it
 * allows (semantics.md §1.11).
 *
 * @throws {AdminError} `acl` for what is outside, `invalid` for what no made token has
 */
export function boundToTemplate(
  template: MintTemplate,
  subject: string,
  asked: AccessTokenSettings,
  nowMs: number,
): AccessTokenSettings {
  requireSubject(template, subject);
  requirePlain(asked, subject);
  const outside = findEntryOutside(asked.acl, template.acl, subject);
  if (outside !== undefined) throw beyond(`acl[${outside}]`, "lies inside no entry of");
  requireWithin("clientIds", asked.clientIds, template.clientIds, globContains);
  requireWithin("origins", asked.origins, template.origins, originContains);
  requireWithin("networks", asked.networks, template.networks, networkContains);
  requireLimits(asked, template);
  return { ...asked, ...boundEnds(template, asked, nowMs) };
}

/** It stands in topics, and for whose sessions and share groups these are. */
function requireSubject(template: MintTemplate, subject: string): void {
  if (!template.subjects.some((glob) => globMatches(glob, subject))) {
    throw beyond("subject", `must match ${template.subjects.slice(0, 5).join(" or ")}, by`);
  }
  if (!isTemplateValue(subject)) {
    throw invalid("subject", "holds / + # or a control character, begins with $, or has more than 256 bytes");
  }
}

/** Rights that stand elsewhere than in its ACL could grow behind the back of who made it. */
function requirePlain({ scopes, mint, policies, username }: AccessTokenSettings, subject: string): void {
  if (scopes.length > 0) throw new AdminError("scope", "scopes: a minting token can give none");
  if (mint) throw new AdminError("scope", "mint: a minting token makes no minting tokens");
  if (policies.length > 0) throw beyond("policies", "cannot be given by");
  if (username !== undefined && username !== subject) throw beyond("username", "must be the subject, by");
}

function requireWithin(
  member: string,
  asked: readonly string[],
  template: readonly string[],
  contains: (outer: string, inner: string) => boolean,
): void {
  if (template.length === 0) return;
  const bad = asked.findIndex((inner) => !template.some((outer) => contains(outer, inner)));
  if (bad >= 0) throw beyond(`${member}[${bad}]`, "lies outside");
}

/** No text that the outer glob's literals name holds a `*`, so what it matches in the inner one, it matches always. */
function globContains(outer: string, inner: string): boolean {
  return globMatches(outer, inner);
}

function originContains(outer: string, inner: string): boolean {
  return globMatches(outer.toLowerCase(), inner.toLowerCase());
}

function networkContains(outer: string, inner: string): boolean {
  const [wide, narrow] = [parseIpNetwork(outer), parseIpNetwork(inner)];
  if (!wide || !narrow || narrow.prefixBits < wide.prefixBits) return false;
  const rest = BigInt(128 - wide.prefixBits);
  return narrow.address >> rest === wide.address >> rest;
}

function requireLimits(asked: AccessTokenSettings, template: MintTemplate): void {
  const over = principalLimitNames.find(
    (name) => (asked.limits[name] ?? 0) > (template.limits[name] ?? Infinity),
  );
  if (over !== undefined) throw beyond(`limits.${over}`, "is more than");
}

function boundEnds(
  { maxTtlS, maxExpiresInS }: MintTemplate,
  asked: AccessTokenSettings,
  nowMs: number,
): Pick<AccessTokenSettings, "ttlS" | "expiresAtMs"> {
  const latestMs = maxExpiresInS === undefined ? undefined : nowMs + maxExpiresInS * 1_000;
  const { ttlS = maxTtlS, expiresAtMs = latestMs } = asked;
  if (ttlS === undefined && expiresAtMs === undefined)
    throw invalid("ttl", "say when it ends: ttl, expiresAt or both");
  if (ttlS !== undefined && ttlS > (maxTtlS ?? Infinity))
    throw beyond("ttl", `is more than the ${maxTtlS} s of`);
  if (expiresAtMs !== undefined && expiresAtMs > (latestMs ?? Infinity))
    throw beyond("expiresAt", `is later than the ${maxExpiresInS} s of`);
  return { ttlS, expiresAtMs };
}

function beyond(member: string, problem: string): AdminError {
  return new AdminError("acl", `${member}: ${problem} the template of the minting token`);
}

function invalid(member: string, problem: string): AdminError {
  return new AdminError("invalid", `${member}: ${problem}`);
}
