import { readFileSync } from "node:fs";
import type { NamedCalls, WeirClient } from "@weir/api";
import { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { WrongUse } from "../command-failure.ts";
import type { BuiltCommand, CreateCommand } from "../program.ts";
import { describeTime } from "../rest/duration.ts";
import { addRestOptions, allPages, withBroker, type RestFlags } from "../rest/rest-options.ts";
import { printTable } from "../rest/table.ts";

/** What is particular about one kind of named objects. */
interface NamedKind {
  /** The command: `policy`. */
  readonly noun: string;
  /** The collection in addresses, and in sentences: `policies`. */
  readonly plural: string;
  /** What a file could hold. */
  readonly example: string;
}

interface PutFlags extends RestFlags {
  readonly new?: true;
}

/** What REST shows of every named object. */
interface ShownObject {
  readonly name: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

const STDIN = "-";

const kinds = {
  policy: {
    noun: "policy",
    plural: "policies",
    example: '{"entries": [{"actions": ["subscribe"], "topic": "news/#"}]}',
  },
  group: {
    noun: "group",
    plural: "groups",
    example: '{"provider": "ciam", "value": "customer", "policies": ["customers"]}',
  },
  provider: {
    noun: "provider",
    plural: "providers",
    example:
      '{"issuer": "https://id.example.com", "audience": ["weir"], "jwksUri": "https://id.example.com/jwks"}',
  },
  history: { noun: "history", plural: "histories", example: '{"filter": "prices/#", "maxAge": 86400}' },
  tenant: { noun: "tenant", plural: "tenants", example: "{}" },
} as const satisfies Readonly<Record<string, NamedKind>>;

export const createPolicyCommand: CreateCommand = (...args) => createNamedCommand(kinds.policy, ...args);
export const createGroupCommand: CreateCommand = (...args) => createNamedCommand(kinds.group, ...args);
export const createProviderCommand: CreateCommand = (...args) => createNamedCommand(kinds.provider, ...args);
export const createHistoryCommand: CreateCommand = (...args) => createNamedCommand(kinds.history, ...args);
export const createTenantCommand: CreateCommand = (...args) => createNamedCommand(kinds.tenant, ...args);

/** `weir policy list|get|put|delete`, and the same for every other kind. */
function createNamedCommand(kind: NamedKind, context: CommandContext, argv: readonly string[]): BuiltCommand {
  const { noun, plural, example } = kind;
  const command = new Command(noun)
    .description(`Lists, shows, makes, changes and deletes ${plural}.`)
    .helpOption("-h, --help", "show this")
    .helpCommand(false)
    .addHelpText(
      "after",
      `\nExample:\n  weir ${noun} list\n\nweir ${noun} <command> --help tells more about each.`,
    );
  addRestOptions(command.command("list"))
    .summary(`list the ${plural}`)
    .addHelpText("after", `\nExample:\n  weir ${noun} list --json | jq '.[].name'`)
    .action((flags: RestFlags) => list(kind, flags, context));
  addRestOptions(command.command("get <name>"))
    .summary(`print one as JSON`)
    .addHelpText("after", `\nExample:\n  weir ${noun} get one`)
    .action((name: string, flags: RestFlags) => get(kind, name, flags, context));
  addRestOptions(command.command("put <name> <file>"))
    .summary("make it, or put another in its place; it counts at once")
    .description("Takes JSON from a file; - is stdin.")
    .option("--new", "only if there is none of this name")
    .addHelpText("after", `\nExample:\n  echo '${example}' | weir ${noun} put one -`)
    .action((name: string, file: string, flags: PutFlags) => put(kind, { name, file }, flags, context));
  addRestOptions(command.command("delete <name...>"))
    .summary("delete; that counts at once")
    .addHelpText("after", `\nExample:\n  weir ${noun} delete one another`)
    .action((names: string[], flags: RestFlags) => remove(kind, names, flags, context));
  return { command, argv };
}

function callsOf(client: WeirClient, { plural }: NamedKind): NamedCalls<object, ShownObject> {
  return client.named(plural) as NamedCalls<object, ShownObject>;
}

async function list(kind: NamedKind, flags: RestFlags, context: CommandContext): Promise<void> {
  const objects = await withBroker(flags, context, (client) =>
    allPages((cursor) => callsOf(client, kind).list({ limit: 500, ...(cursor !== undefined && { cursor }) })),
  );
  if (flags.json) return void context.stdout.write(`${JSON.stringify(objects)}\n`);
  const rows = objects.map((object) => [
    object.name,
    describeTime(object.updatedAt, Date.now()),
    describeContent(object),
  ]);
  printTable(["NAME", "CHANGED", "CONTENT"], rows, context);
}

const MAX_CONTENT_CHARACTERS = 100;

function describeContent(object: ShownObject): string {
  const { name: _, createdAt: __, updatedAt: ___, ...content } = object;
  const text = JSON.stringify(content);
  return text.length > MAX_CONTENT_CHARACTERS ? `${text.slice(0, MAX_CONTENT_CHARACTERS)}…` : text;
}

async function get(kind: NamedKind, name: string, flags: RestFlags, context: CommandContext): Promise<void> {
  const object = await withBroker(flags, context, (client) => callsOf(client, kind).get(name));
  context.stdout.write(`${flags.json ? JSON.stringify(object) : JSON.stringify(object, null, 2)}\n`);
}

async function put(
  kind: NamedKind,
  { name, file }: { readonly name: string; readonly file: string },
  flags: PutFlags,
  context: CommandContext,
): Promise<void> {
  const content = await readContent(file, context);
  const options = flags.new ? { ifNew: true } : {};
  const object = await withBroker(flags, context, (client) =>
    callsOf(client, kind).put(name, content, options),
  );
  if (flags.json) return void context.stdout.write(`${JSON.stringify(object)}\n`);
  const isNew = object.createdAt === object.updatedAt;
  context.stderr.write(`The ${kind.noun} ${name} is ${isNew ? "made" : "changed"}.\n`);
}

async function remove(
  kind: NamedKind,
  names: readonly string[],
  flags: RestFlags,
  context: CommandContext,
): Promise<void> {
  await withBroker(flags, context, async (client) => {
    for (const name of names) await callsOf(client, kind).delete(name);
  });
  if (flags.json) return void context.stdout.write(`${JSON.stringify({ count: names.length })}\n`);
  context.stderr.write(`${names.length} ${names.length === 1 ? kind.noun : kind.plural} deleted.\n`);
}

async function readContent(file: string, { stdin }: CommandContext): Promise<object> {
  const text = file === STDIN ? await readAll(stdin) : readFile(file);
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null) return content;
  } catch {
    // Told below
  }
  throw new WrongUse(`${file === STDIN ? "stdin" : file} holds no JSON object.`);
}

function readFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new WrongUse(`${file} cannot be read.`);
  }
}

async function readAll(stdin: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString("utf8");
}
