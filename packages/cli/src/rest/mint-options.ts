import type { PolicyEntry, TokenCreate } from "@weir/api";
import type { Command } from "commander";
import { WrongUse } from "../command-failure.ts";
import { collect, parseEntry, parseJson } from "./acl-options.ts";
import { parseDurationS } from "./duration.ts";

export interface MintFlags {
  readonly mint?: string;
  readonly mintSubject: readonly string[];
  readonly mintAllow: readonly string[];
  readonly mintDeny: readonly string[];
  readonly mintMaxTtl?: string;
  readonly mintMaxTokens?: string;
}

type Mint = NonNullable<TokenCreate["mint"]>;

/** Adds what makes a token a minting token. */
export function addMintOptions(command: Command): Command {
  return command
    .option("--mint-subject <glob>", "it may make tokens for these: user:*; may be repeated", collect, [])
    .option(
      "--mint-allow <actions:filter>",
      "what those may at most: subscribe:data/${subject}/#",
      collect,
      [],
    )
    .option("--mint-deny <actions:filter>", "what none of those may; may be repeated", collect, [])
    .option("--mint-max-ttl <duration>", "their longest ttl, and theirs by default")
    .option("--mint-max-tokens <number>", "how many of them there may be at one time")
    .option("--mint <json>", "the whole template as JSON, or @FILE");
}

/** The template that was asked for; undefined: none. @throws {WrongUse} */
export function toMint(flags: MintFlags): Mint | undefined {
  const { mint, mintSubject, mintMaxTtl, mintMaxTokens } = flags;
  const acl = [
    ...flags.mintAllow.map((text) => parseEntry("--mint-allow", text)),
    ...flags.mintDeny.map((text): PolicyEntry => ({ effect: "deny", ...parseEntry("--mint-deny", text) })),
  ];
  const isGiven = [...acl, ...mintSubject, mintMaxTtl, mintMaxTokens].some((flag) => flag !== undefined);
  if (mint !== undefined && isGiven)
    throw new WrongUse("Give the template either as --mint-subject, --mint-allow, …, or as --mint.");
  if (mint !== undefined) return parseJson("--mint", mint) as Mint;
  if (!isGiven) return undefined;
  if (mintSubject.length === 0)
    throw new WrongUse('Say for whom it may make tokens: --mint-subject "user:*".');
  return {
    subjects: [...mintSubject],
    acl,
    ...(mintMaxTtl !== undefined && { maxTtl: parseDurationS(mintMaxTtl) }),
    ...(mintMaxTokens !== undefined && { maxTokens: parseCount("--mint-max-tokens", mintMaxTokens) }),
  };
}

function parseCount(flag: string, text: string): number {
  if (!/^\d{1,8}$/.test(text)) throw new WrongUse(`${flag} "${text}" is no number.`);
  return Number(text);
}
