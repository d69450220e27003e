import type { Session, SessionQuery, SessionsDeleteQuery } from "@weir/api";
import { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { WrongUse } from "../command-failure.ts";
import type { BuiltCommand } from "../program.ts";
import { describeTime } from "../rest/duration.ts";
import { addRestOptions, allPages, withBroker, type RestFlags } from "../rest/rest-options.ts";
import { printTable } from "../rest/table.ts";

interface SessionFilterFlags extends RestFlags {
  readonly clientId?: string;
  readonly subject?: string;
  readonly tokenId?: string;
  readonly issuer?: string;
  readonly kid?: string;
  readonly group?: string;
}

interface ListFlags extends SessionFilterFlags {
  readonly connected?: true;
  readonly disconnected?: true;
}

interface DeleteFlags extends SessionFilterFlags {
  readonly keepState?: true;
}

/** `weir session list|delete`. */
export function createSessionCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const command = new Command("session")
    .description("Lists and ends MQTT sessions.")
    .helpOption("-h, --help", "show this")
    .helpCommand(false)
    .addHelpText(
      "after",
      "\nExample:\n  weir session list --subject alice\n\nweir session <command> --help tells more about each.",
    );
  addFilters(addRestOptions(command.command("list")))
    .summary("list the sessions")
    .description("Lists the sessions, with what each has subscribed to and what the broker lets through.")
    .option("--connected", "connected ones only")
    .option("--disconnected", "ones that are away only")
    .addHelpText(
      "after",
      "\nExamples:\n  weir session list --subject alice\n  weir session list --json | jq '.[].subscriptions'",
    )
    .action((flags: ListFlags) => list(flags, context));
  addFilters(addRestOptions(command.command("delete [id...]")))
    .summary("disconnect and delete sessions")
    .description("Disconnects and deletes sessions, named by id or by what they have in common.")
    .option("--keep-state", "disconnect only; the session stays")
    .addHelpText(
      "after",
      "\nExamples:\n  weir session delete --subject alice\n  weir session delete 00faa858… --keep-state",
    )
    .action((ids: string[], flags: DeleteFlags) => remove(ids, flags, context));
  return { command, argv };
}

function addFilters(command: Command): Command {
  return command
    .option("--client-id <id>", "with this client id")
    .option("--subject <subject>", "of this subject")
    .option("--token-id <id>", "made with this access token")
    .option("--issuer <issuer>", "made with a JWT of this issuer")
    .option("--kid <id>", "made with a JWT that this key has signed")
    .option("--group <value>", "whose JWT says this of groups");
}

function toQuery(flags: SessionFilterFlags): Omit<SessionsDeleteQuery, "state"> {
  return {
    ...(flags.clientId !== undefined && { clientId: flags.clientId }),
    ...(flags.subject !== undefined && { subject: flags.subject }),
    ...(flags.tokenId !== undefined && { token: flags.tokenId }),
    ...(flags.issuer !== undefined && { issuer: flags.issuer }),
    ...(flags.kid !== undefined && { kid: flags.kid }),
    ...(flags.group !== undefined && { group: flags.group }),
  };
}

async function list(flags: ListFlags, context: CommandContext): Promise<void> {
  if (flags.connected && flags.disconnected)
    throw new WrongUse("--connected and --disconnected contradict each other.");
  const query: SessionQuery = {
    ...toQuery(flags),
    ...((flags.connected || flags.disconnected) && { connected: flags.connected === true }),
    limit: 500,
  };
  const sessions = await withBroker(flags, context, (client) =>
    allPages((cursor) => client.sessions.list({ ...query, ...(cursor !== undefined && { cursor }) })),
  );
  if (flags.json) return void context.stdout.write(`${JSON.stringify(sessions)}\n`);
  printTable(
    ["ID", "CLIENT ID", "IDENTITY", "CONNECTED", "BY", "QUEUED", "SUBSCRIPTIONS"],
    sessions.map(toRow),
    context,
  );
}

function toRow(session: Session): string[] {
  return [
    session.id,
    session.clientId,
    `${session.identity.realm}:${session.identity.subject}`,
    session.connected ? describeTime(session.connectedSince, Date.now()) : "away",
    [session.transport, session.protocol].filter(Boolean).join(" "),
    String(session.queued + session.inFlight),
    describeSubscriptions(session),
  ];
}

function describeSubscriptions({ subscriptions }: Session): string {
  const shown = subscriptions.slice(0, 3).map(({ filter, effective }) => {
    const isWhole = effective.length === 1 && effective[0] === filter;
    return isWhole ? filter : `${filter} (${effective.slice(0, 3).join(", ") || "nothing now"})`;
  });
  return [...shown, ...(subscriptions.length > 3 ? [`and ${subscriptions.length - 3} more`] : [])].join(" ");
}

async function remove(ids: readonly string[], flags: DeleteFlags, context: CommandContext): Promise<void> {
  const query = toQuery(flags);
  const hasQuery = Object.keys(query).length > 0;
  if (hasQuery === ids.length > 0)
    throw new WrongUse(
      "Name the sessions either by their ids, or by what they have in common, such as --subject.",
    );
  const state = flags.keepState ? { state: "keep" as const } : {};
  const count = await withBroker(flags, context, async (client) => {
    if (hasQuery) return (await client.sessions.deleteMany({ ...query, ...state })).count;
    for (const id of ids) await client.sessions.delete(id, state);
    return ids.length;
  });
  if (flags.json) return void context.stdout.write(`${JSON.stringify({ count })}\n`);
  context.stderr.write(
    `${count} ${count === 1 ? "session" : "sessions"} ${flags.keepState ? "disconnected" : "deleted"}.\n`,
  );
}
