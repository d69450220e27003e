import type { PolicyEntry, TokenCreate, TokenPatch } from "@weir/api";
import type { Command } from "commander";
import { WrongUse } from "../command-failure.ts";
import { collect, parseEntry, parseJson, readText } from "./acl-options.ts";
import { parseDurationS } from "./duration.ts";
import { addMintOptions, type MintFlags, toMint } from "./mint-options.ts";

export interface TokenFlags extends MintFlags {
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
  readonly policy: readonly string[];
  readonly limit: readonly string[];
  readonly username?: string;
  readonly password?: string;
  readonly metadata?: string;
}

/** Adds what can be said of a token, when it is made and later. */
export function addTokenOptions(command: Command): Command {
  command
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
    .option("--policy <name>", "a named policy that counts besides; may be repeated", collect, [])
    .option(
      "--limit <name=value>",
      "connections, publishRate, queuedMessages, …; may be repeated",
      collect,
      [],
    )
    .option("--username <name>", "what a device that knows nothing else logs in with, besides a password")
    .option(
      "--password <text>",
      "that password, or the verifier of another broker; @FILE keeps it out of sight",
    )
    .option("--metadata <json>", "anything of yours");
  return addMintOptions(command);
}

/** What was asked for, in the words of REST; what was not given is left out. @throws {WrongUse} */
export function toTokenCreate(flags: TokenFlags): TokenCreate {
  const acl = parseAcl(flags);
  const mint = toMint(flags);
  return {
    ...(flags.name !== undefined && { name: flags.name }),
    ...(acl && { acl }),
    ...(flags.ttl !== undefined && { ttl: parseDurationS(flags.ttl) }),
    ...(flags.expiresAt !== undefined && { expiresAt: flags.expiresAt }),
    ...(flags.policy.length > 0 && { policies: [...flags.policy] }),
    ...(flags.limit.length > 0 && { limits: Object.fromEntries(flags.limit.map(parseLimit)) }),
    ...(mint && { mint }),
    ...(flags.scope.length > 0 && { scopes: flags.scope as NonNullable<TokenCreate["scopes"]> }),
    ...(flags.clientId.length > 0 && { clientIds: [...flags.clientId] }),
    ...(flags.origin.length > 0 && { origins: [...flags.origin] }),
    ...(flags.network.length > 0 && { networks: [...flags.network] }),
    ...(flags.username !== undefined && { username: flags.username }),
    ...(flags.password !== undefined && { password: readText("--password", flags.password).trimEnd() }),
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

function parseLimit(text: string): [name: string, value: number | string] {
  const [, name, value = ""] = /^(\w+)=([\w.-]+)$/.exec(text) ?? [];
  if (name === undefined)
    throw new WrongUse(`--limit "${text}": write a name and a value, such as connections=5`);
  return [name, /^\d/.test(value) ? Number(value) : value];
}

/** An ACL in a few words, for a list. */
export function describeAcl(acl: readonly PolicyEntry[]): string {
  const shown = acl
    .slice(0, 3)
    .map(({ effect, actions, topic }) => `${effect === "deny" ? "not " : ""}${actions.join(",")}:${topic}`);
  return [...shown, ...(acl.length > 3 ? [`and ${acl.length - 3} more`] : [])].join(" ") || "nothing";
}
