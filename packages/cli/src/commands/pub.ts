import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Command } from "commander";
import type { IClientPublishOptions, MqttClient } from "mqtt";
import { CommandFailure, WrongUse } from "../command-failure.ts";
import type { CommandContext } from "../command-context.ts";
import type { BuiltCommand } from "../program.ts";
import { addClientOptions, parseWhole, resolveTarget, type ClientFlags } from "../mqtt/client-options.ts";
import { createClient, whenConnected } from "../mqtt/open-client.ts";
import { extractProperties, type PropertyOptions } from "../mqtt/property-options.ts";
import { reasonText } from "../mqtt/reason-text.ts";

interface PubFlags extends ClientFlags {
  readonly topic?: string;
  readonly message?: string;
  readonly file?: string;
  readonly stdinLine?: true;
  readonly stdinFile?: true;
  readonly nullMessage?: true;
  readonly qos: 0 | 1 | 2;
  readonly retain?: true;
  readonly repeat: number;
  readonly repeatDelay: number;
  readonly maxInflight: number;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  weir pub -t data/alice/4720 -m '{"lat":53.4,"lon":-2.9}' -q 1 -r
  tail -f readings.txt | weir pub -t data/alice/meter -l
  weir pub -L mqtt://TOKEN@127.0.0.1/alarms/door -m open -D publish user-property source hall`;

/** `weir pub`: what mosquitto_pub does, under the same options, with MQTT 5 by default. */
export function createPubCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const { rest, properties } = extractProperties(argv);
  const command = addClientOptions(
    new Command("pub").description(
      "Publishes messages on one topic; a person who knows mosquitto_pub knows this.",
    ),
  )
    .option("-t, --topic <topic>", "topic to publish to")
    .option("-m, --message <text>", "the message")
    .option("-f, --file <file>", "the message is the content of this file")
    .option("-l, --stdin-line", "a message for each line of stdin")
    .option("-s, --stdin-file", "the message is all of stdin")
    .option("-n, --null-message", "an empty message: with -r it clears what is retained")
    .option("-q, --qos <qos>", "quality of service", (text) => parseWhole(text, 0, 2), 0)
    .option("-r, --retain", "retain the message")
    .option(
      "-M, --max-inflight <n>",
      "QoS 1 and 2 messages in flight",
      (text) => parseWhole(text, 1, 65_535),
      20,
    )
    .option(
      "--repeat <n>",
      "publish -m, -f, -s so often",
      (text) => parseWhole(text, 1, Number.MAX_SAFE_INTEGER),
      1,
    )
    .option("--repeat-delay <s>", "seconds between two of them", Number, 0)
    .option("--json", "print what was published as JSON")
    .addHelpText("after", EXAMPLES);
  command.action((flags: PubFlags) => publish(flags, properties, context));
  return { command, argv: rest };
}

async function publish(flags: PubFlags, properties: PropertyOptions, context: CommandContext): Promise<void> {
  const target = resolveTarget(flags, properties, context.environment, "pub");
  const topic = flags.topic ?? target.topic;
  if (topic === undefined) throw new WrongUse("Both topic and message must be supplied: -t TOPIC.");
  if (/[+#]/.test(topic)) throw new WrongUse(`Invalid publish topic '${topic}', does it contain '+' or '#'?`);
  const messages = messagesOf(flags, context.stdin);
  const tell = flags.debug ? (line: string) => void context.stderr.write(`${line}\n`) : undefined;
  const client = createClient(target, tell);
  await whenConnected(client, target.url);
  const how: IClientPublishOptions = {
    qos: flags.qos,
    retain: flags.retain ?? false,
    ...(properties.publish && { properties: properties.publish }),
  };
  const window = new PublishWindow(client, topic, how, flags.maxInflight);
  for await (const message of messages) await window.send(message);
  await window.settled();
  await client.endAsync();
  if (flags.json)
    context.stdout.write(
      `${JSON.stringify({ topic, qos: flags.qos, published: window.published, refused: window.refusals.length })}\n`,
    );
  const [refusal] = window.refusals;
  if (refusal !== undefined && flags.quiet) throw new CommandFailure("");
  if (refusal !== undefined)
    throw new CommandFailure(
      `${window.refusals.length > 1 ? `${window.refusals.length} messages were refused, first: ` : ""}${refusal}`,
    );
}

/** What is to be sent; at least one of the sources must be named, and one only. */
function messagesOf(flags: PubFlags, stdin: NodeJS.ReadStream): AsyncIterable<Buffer> {
  const given = [
    flags.message !== undefined,
    flags.file !== undefined,
    flags.stdinLine,
    flags.stdinFile,
    flags.nullMessage,
  ].filter(Boolean);
  if (given.length !== 1)
    throw new WrongUse(
      "Give the message in one way: -m TEXT, -f FILE, -l (lines of stdin), -s (all of stdin) or -n (empty).",
    );
  if (flags.stdinLine) return linesOf(stdin);
  if (flags.stdinFile) return repeated(() => wholeOf(stdin), flags);
  if (flags.file !== undefined) return repeated(() => Promise.resolve(readMessage(flags.file ?? "")), flags);
  return repeated(() => Promise.resolve(Buffer.from(flags.message ?? "")), flags);
}

async function* repeated(
  read: () => Promise<Buffer>,
  { repeat, repeatDelay }: PubFlags,
): AsyncGenerator<Buffer> {
  const message = await read();
  for (let i = 0; i < repeat; i++) {
    if (i > 0 && repeatDelay > 0)
      await new Promise((resolve) => void setTimeout(resolve, repeatDelay * 1000));
    yield message;
  }
}

async function* linesOf(stdin: NodeJS.ReadStream): AsyncGenerator<Buffer> {
  for await (const line of createInterface({ input: stdin, crlfDelay: Infinity })) yield Buffer.from(line);
}

async function wholeOf(stdin: NodeJS.ReadStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks);
}

function readMessage(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new CommandFailure(
      `The file ${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}.`,
    );
  }
}

/** At most so many messages without their answer, so that a long stdin neither waits for each nor fills the memory. */
class PublishWindow {
  readonly refusals: string[] = [];
  published = 0;
  readonly #client: MqttClient;
  readonly #topic: string;
  readonly #how: IClientPublishOptions;
  readonly #maximum: number;
  readonly #inFlight = new Set<Promise<void>>();
  #isClosed = false;

  constructor(client: MqttClient, topic: string, how: IClientPublishOptions, maximum: number) {
    this.#client = client;
    this.#topic = topic;
    this.#how = how;
    this.#maximum = maximum;
    client.on("error", () => undefined);
    client.once("close", () => {
      this.#isClosed = true;
    });
  }

  async send(message: Buffer): Promise<void> {
    if (this.#isClosed) throw new CommandFailure("The connection was lost.");
    if (this.#inFlight.size >= this.#maximum) await Promise.race(this.#inFlight);
    const sending = this.#publish(message).finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  async #publish(message: Buffer): Promise<void> {
    try {
      await this.#client.publishAsync(this.#topic, message, this.#how);
      this.published++;
    } catch (error) {
      const { code, message: words } = error as Error & { code?: unknown };
      const reason = typeof code === "number" ? reasonText(code) : words;
      this.refusals.push(`Publish to '${this.#topic}' failed: ${reason}.`);
    }
  }
}
