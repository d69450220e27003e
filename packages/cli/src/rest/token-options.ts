import { readFileSync } from "node:fs";
import type { PolicyEntry, TokenCreate, TokenPatch } from "@weir/api";
import type { Command } from "commander";
import { WrongUse } from "../command-failure.ts";
import { parseDurationS } from "./duration.ts";

export interface TokenFlags {
  readonly name?: string;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly acl?: string;
  readonly ttl?: string;
  readonly expiresAt?: string;
  readonly scope: readonly string[];
  readonly clientId: readonly string[];
  readonly origin: readonly string[];
  readonly network: readonly string[];
  readonly metadata?: string;
}

const ACTIONS = ["publish", "subscribe", "replay"] as const;
const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** Adds what can be said of a token, when it is made and later. */
export function addTokenOptions(command: Command): Command {
  return command
    .option("--name <text>", "a name for people")
    .option("--allow <actions:filter>", "publish,subscribe:data/alice/#; may be repeated", collect, [])
    .option("--deny <actions:filter>", "beats every allow; may be repeated", collect, [])
    .option("--acl <json>", "the whole ACL as JSON, or @FILE")
    .option("--ttl <duration>", "ends when unused for so long: 30m, 12h, 7d; update: none")
    .option("--expires-at <time>", "ends then, RFC 3339; update: none")
    .option("--scope <scope>", "REST power, such as messages; may be repeated", collect, [])
    .option("--client-id <glob>", "client ids that it may connect with; may be repeated", collect, [])
    .option("--origin <glob>", "origins of web pages that may use it; may be repeated", collect, [])
    .option("--network <cidr>", "networks that it may be used from; may be repeated", collect, [])
    .option("--metadata <json>", "anything of yours");
}

/** What was asked for, in the words of REST; what was not given is left out. @throws {WrongUse} */
export function toTokenCreate(flags: TokenFlags): TokenCreate {
  const acl = parseAcl(flags);
  return {
    ...(flags.name !== undefined && { name: flags.name }),
    ...(acl && { acl }),
    ...(flags.ttl !== undefined && { ttl: parseDurationS(flags.ttl) }),
    ...(flags.expiresAt !== undefined && { expiresAt: flags.expiresAt }),
    ...(flags.scope.length > 0 && { scopes: flags.scope as NonNullable<TokenCreate["scopes"]> }),
    ...(flags.clientId.length > 0 && { clientIds: [...flags.clientId] }),
    ...(flags.origin.length > 0 && { origins: [...flags.origin] }),
    ...(flags.network.length > 0 && { networks: [...flags.network] }),
    ...(flags.metadata !== undefined && {
      metadata: parseJson("--metadata", flags.metadata) as Record<string, unknown>,
    }),
  };
}

/** As {@link toTokenCreate}; "none" takes an end away. @throws {WrongUse} */
export function toTokenPatch(flags: TokenFlags): TokenPatch {
  const { ttl, expiresAt, ...others } = flags;
  return {
    ...toTokenCreate(others),
    ...(ttl !== undefined && { ttl: ttl === "none" ? null : parseDurationS(ttl) }),
    ...(expiresAt !== undefined && { expiresAt: expiresAt === "none" ? null : expiresAt }),
  };
}

function parseAcl(flags: TokenFlags): PolicyEntry[] | undefined {
  const entries = [
    ...flags.allow.map((text) => parseEntry("--allow", text)),
    ...flags.deny.map((text): PolicyEntry => ({ effect: "deny", ...parseEntry("--deny", text) })),
  ];
  if (flags.acl === undefined) return entries.length > 0 ? entries : undefined;
  if (entries.length > 0) throw new WrongUse("Give the ACL either as --allow and --deny, or as --acl.");
  return parseJson("--acl", flags.acl) as PolicyEntry[];
}

function parseEntry(flag: string, text: string): PolicyEntry {
  const colon = text.indexOf(":");
  const actions = text.slice(0, colon).split(",");
  const known = ACTIONS.filter((action) => actions.includes(action));
  if (colon === -1 || known.length !== new Set(actions).size || colon === text.length - 1) {
    throw new WrongUse(
      `${flag} "${text}": write actions and a topic filter, such as publish,subscribe:data/alice/#`,
    );
  }
  return { actions: known, topic: text.slice(colon + 1) };
}

function parseJson(flag: string, text: string): unknown {
  try {
    return JSON.parse(text.startsWith("@") ? readFileSync(text.slice(1), "utf8") : text) as unknown;
  } catch (cause) {
    throw new WrongUse(`${flag} cannot be read: ${(cause as Error).message}.`);
  }
}

/** An ACL in a few words, for a list. */
export function describeAcl(acl: readonly PolicyEntry[]): string {
  const shown = acl
    .slice(0, 3)
    .map(({ effect, actions, topic }) => `${effect === "deny" ? "not " : ""}${actions.join(",")}:${topic}`);
  return [...shown, ...(acl.length > 3 ? [`and ${acl.length - 3} more`] : [])].join(" ") || "nothing";
}
