import { createWeirClient, ProblemError, type WeirClient } from "@weir/api";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure, WrongUse } from "../command-failure.ts";

export interface RestFlags {
  readonly url?: string;
  readonly token?: string;
  readonly tenant?: string;
  readonly json?: true;
}

const DEFAULT_URL = "http://127.0.0.1:8080";

/** Adds the options of every command that talks to a broker over REST. */
export function addRestOptions(command: Command): Command {
  return command
    .helpOption("-h, --help", "show this")
    .option("--url <url>", `the broker's HTTP port (also WEIR_URL; default: ${DEFAULT_URL})`)
    .option("--token <key>", "the access token to do it with (also WEIR_TOKEN)")
    .option("--tenant <name>", "act in another tenant, as an admin of the system")
    .option("--json", "print JSON");
}

/**
 * Runs calls to a broker, and turns what it says no to into a sentence.
 *
 * @throws {WrongUse} without a token; {CommandFailure} when the broker is not there or refuses
 */
export async function withBroker<Result>(
  flags: RestFlags,
  { environment }: CommandContext,
  run: (client: WeirClient) => Promise<Result>,
): Promise<Result> {
  const url = flags.url ?? environment["WEIR_URL"] ?? DEFAULT_URL;
  const token = flags.token ?? environment["WEIR_TOKEN"];
  if (!/^https?:\/\//.test(url))
    throw new WrongUse(`${url} is not the URL of an HTTP port, such as ${DEFAULT_URL}.`);
  if (!token)
    throw new WrongUse(
      "An access token is needed: --token KEY, or WEIR_TOKEN. The admin token is shown when `weir serve` first starts.",
    );
  try {
    const { tenant } = flags;
    return await run(createWeirClient({ url, token, ...(tenant !== undefined && { tenant }) }));
  } catch (error) {
    throw toFailure(error, url);
  }
}

function toFailure(error: unknown, url: string): unknown {
  if (error instanceof ProblemError) return new CommandFailure(problemText(error, url));
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  if (cause?.code === "ECONNREFUSED")
    return new CommandFailure(`Nothing listens at ${url}. Is the broker running (weir serve)?`);
  if (error instanceof TypeError && cause)
    return new CommandFailure(`${url} cannot be reached: ${cause.code ?? cause.message}.`);
  return error;
}

function problemText(error: ProblemError, url: string): string {
  if (error.code === "unexpected")
    return `What answers at ${url} is no Weir broker (HTTP status ${error.status}). Check --url or WEIR_URL.`;
  if (error.code === "unauthenticated")
    return `${error.message}: the token is not valid, or has ended (--token, WEIR_TOKEN).`;
  if (error.code === "scope")
    return `${error.message}: this needs a token with more power, such as the admin token.`;
  return `${error.message} (${error.status} ${error.code})`;
}

/** All items of a list that comes in pages. */
export async function allPages<Item>(
  list: (cursor: string | undefined) => Promise<{ readonly items: readonly Item[]; readonly next?: string }>,
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const page = await list(cursor);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return items;
}
