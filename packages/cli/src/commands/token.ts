import type { CreatedToken, Token } from "@weir/api";
import { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { WrongUse } from "../command-failure.ts";
import type { BuiltCommand } from "../program.ts";
import { describeSeconds, describeTime } from "../rest/duration.ts";
import { addRestOptions, allPages, withBroker, type RestFlags } from "../rest/rest-options.ts";
import { printTable } from "../rest/table.ts";
import {
  addTokenOptions,
  describeAcl,
  toTokenCreate,
  toTokenPatch,
  type TokenFlags,
} from "../rest/token-options.ts";

interface CreateFlags extends RestFlags, TokenFlags {
  readonly subject?: string;
  readonly disabled?: true;
}

interface UpdateFlags extends RestFlags, TokenFlags {
  readonly enable?: true;
  readonly disable?: true;
}

interface DeleteFlags extends RestFlags {
  readonly sessions?: true;
  readonly keepMinted?: true;
}

const CREATE_EXAMPLES = `
The key goes to stdout, everything else to stderr: KEY=$(weir token create …)

Examples:
  weir token create --subject alice --allow subscribe:data/alice/# --ttl 12h
  weir token create --name publisher --allow publish:data/# --ttl 7d --json

A backend that makes a token for each user who logs in, for that user's data alone, and has no other power:
  weir token create --name backend --mint-subject "user:*" --mint-max-ttl 12h \\
    --mint-allow 'subscribe:data/\${subject}/#' --mint-allow 'publish:commands/\${subject}/#'`;

/** `weir token create|list|update|delete`. */
export function createTokenCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const command = new Command("token")
    .description("Makes, lists, changes and deletes access tokens.")
    .helpOption("-h, --help", "show this")
    .helpCommand(false)
    .addHelpText(
      "after",
      "\nExample:\n  weir token create --subject alice --allow subscribe:data/alice/# --ttl 12h\n\nweir token <command> --help tells more about each.",
    );
  addTokenOptions(addRestOptions(command.command("create")))
    .summary("make a token")
    .description("Makes an access token and prints its key, which is shown this once.")
    .option("--subject <subject>", "whom it stands for; its id, when nobody is given")
    .option("--disabled", "not to be used before it is enabled")
    .addHelpText("after", CREATE_EXAMPLES)
    .action((flags: CreateFlags) => create(flags, context));
  addRestOptions(command.command("list"))
    .summary("list the tokens, never their keys")
    .description("Lists the access tokens, never their keys.")
    .addHelpText("after", "\nExample:\n  weir token list --json | jq -r '.[].id'")
    .action((flags: RestFlags) => list(flags, context));
  addTokenOptions(addRestOptions(command.command("update <id>")))
    .summary("change a token; open connections follow at once")
    .description("Changes a token. Its open connections follow within a second, without reconnecting.")
    .option("--enable", "let it be used")
    .option("--disable", "end its connections, and let it be used no longer")
    .addHelpText(
      "after",
      "\nExample:\n  weir token update 1k7u9nt6… --allow subscribe:data/alice/# --allow subscribe:news/#",
    )
    .action((id: string, flags: UpdateFlags) => update(id, flags, context));
  addRestOptions(command.command("delete <id...>"))
    .summary("delete tokens; their connections end")
    .description("Deletes tokens. Their connections end at once.")
    .option("--sessions", "delete the sessions that were made with them, too")
    .option("--keep-minted", "let the tokens that they made go on, under their template as it is now")
    .addHelpText("after", "\nExample:\n  weir token delete 1k7u9nt6… --sessions")
    .action((ids: string[], flags: DeleteFlags) => remove(ids, flags, context));
  return { command, argv };
}

async function create(flags: CreateFlags, context: CommandContext): Promise<void> {
  const declared = {
    ...toTokenCreate(flags),
    ...(flags.subject !== undefined && { subject: flags.subject }),
    ...(flags.disabled && { enabled: false }),
  };
  const made: CreatedToken = await withBroker(flags, context, (client) => client.tokens.create(declared));
  if (flags.json) return void context.stdout.write(`${JSON.stringify(made)}\n`);
  const whose = made.subject === made.id ? "" : ` for ${made.subject}`;
  context.stderr.write(
    `Made token ${made.id}${whose}, which may ${describeRights(made)}. This is its key, shown once:\n`,
  );
  context.stdout.write(`${made.key}\n`);
}

async function list(flags: RestFlags, context: CommandContext): Promise<void> {
  const tokens = await withBroker(flags, context, (client) =>
    allPages((cursor) => client.tokens.list({ limit: 500, ...(cursor !== undefined && { cursor }) })),
  );
  if (flags.json) return void context.stdout.write(`${JSON.stringify(tokens)}\n`);
  const rows = tokens.map((token) => [
    token.id,
    token.subject === token.id ? "" : token.subject,
    token.name,
    token.enabled ? "" : "disabled",
    describeEnd(token),
    describeTime(token.lastUsedAt, Date.now()),
    describeRights(token),
  ]);
  printTable(["ID", "SUBJECT", "NAME", "STATE", "ENDS", "USED", "MAY"], rows, context);
}

function describeRights({ acl, mint, policies }: Token): string {
  const rights = [
    ...(acl.length > 0 ? [describeAcl(acl)] : []),
    ...policies,
    ...(mint ? [`make tokens for ${mint.subjects.join(" ")}`] : []),
  ];
  return rights.join("; ") || "nothing";
}

function describeEnd({ ttl, expiresAt }: Token): string {
  const ends = [];
  if (ttl !== undefined) ends.push(`${describeSeconds(ttl)} unused`);
  if (expiresAt !== undefined) ends.push(describeTime(expiresAt, Date.now()));
  return ends.join(", ") || "never";
}

async function update(id: string, flags: UpdateFlags, context: CommandContext): Promise<void> {
  if (flags.enable && flags.disable) throw new WrongUse("--enable and --disable contradict each other.");
  const patch = {
    ...toTokenPatch(flags),
    ...((flags.enable || flags.disable) && { enabled: flags.enable === true }),
  };
  if (Object.keys(patch).length === 0)
    throw new WrongUse("Say what is to change: --allow, --ttl, --disable, …");
  const token = await withBroker(flags, context, (client) => client.tokens.update(id, patch));
  if (flags.json) return void context.stdout.write(`${JSON.stringify(token)}\n`);
  context.stderr.write(
    `Token ${token.id} is ${token.enabled ? "enabled" : "disabled"} and may ${describeRights(token)}.\n`,
  );
}

async function remove(ids: readonly string[], flags: DeleteFlags, context: CommandContext): Promise<void> {
  await withBroker(flags, context, async (client) => {
    const query = {
      ...(flags.sessions && { sessions: true }),
      ...(flags.keepMinted && { minted: "keep" as const }),
    };
    for (const id of ids) await client.tokens.delete(id, query);
  });
  if (flags.json) return void context.stdout.write(`${JSON.stringify({ deleted: ids })}\n`);
  context.stderr.write(`${ids.length === 1 ? "The token is" : `${ids.length} tokens are`} deleted.\n`);
}
