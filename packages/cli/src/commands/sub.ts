import { isTopicFilter } from "@weir/protocol";
import { Command } from "commander";
import type { IClientSubscribeOptions, MqttClient, Packet } from "mqtt";
import { CommandFailure, WrongUse } from "../command-failure.ts";
import type { CommandContext } from "../command-context.ts";
import type { BuiltCommand } from "../program.ts";
import { addClientOptions, parseWhole, resolveTarget, type ClientFlags } from "../mqtt/client-options.ts";
import { compileFormat, FORMAT_HELP, type MessageFormat } from "../mqtt/message-format.ts";
import { createClient, whenConnected } from "../mqtt/open-client.ts";
import { extractProperties, type PropertyOptions } from "../mqtt/property-options.ts";
import { reasonText } from "../mqtt/reason-text.ts";
import { Subscriber } from "../mqtt/subscriber.ts";

interface SubFlags extends ClientFlags {
  readonly topic: readonly string[];
  readonly qos: 0 | 1 | 2;
  readonly verbose?: true;
  readonly format?: string;
  readonly json?: true;
  readonly eol: boolean;
  readonly count?: number;
  readonly timeout?: number;
  readonly exitAfterSub?: true;
  readonly noStale?: true;
  readonly retainedOnly?: true;
  readonly removeRetained?: true;
  readonly retainAsPublished?: true;
  readonly filterOut: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly since?: string;
  readonly position?: true;
}

type SubackPacket = Extract<Packet, { readonly cmd: "suback" }>;

const RECONNECT_PERIOD_MS = 1_000;

const EXAMPLES = `
Format (-F):
${FORMAT_HELP}

Examples:
  weir sub -t '#' -v
  weir sub -u TOKEN -t 'data/+/4720' -F '%I %t %p'
  weir sub -i store -c -q 1 -t 'data/#' --json
  weir sub -t 'data/#' --since -10m --position -F '%P %t %p'
  weir sub -L ws://127.0.0.1:8080/mqtt -t news -C 1 -W 5`;

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** `weir sub`: what mosquitto_sub does, under the same options, with MQTT 5 by default. */
export function createSubCommand(context: CommandContext, argv: readonly string[]): BuiltCommand {
  const { rest, properties } = extractProperties(argv);
  const command = addClientOptions(
    new Command("sub").description("Prints messages of topics; a person who knows mosquitto_sub knows this."),
  )
    .option("-t, --topic <filter>", "topic filter to subscribe to; may be repeated", collect, [])
    .option("-q, --qos <qos>", "quality of service", (text) => parseWhole(text, 0, 2), 0)
    .option("-v, --verbose", "print the topic before the payload")
    .option("-F, --format <format>", "what is printed for a message (below)")
    .option("--json", "print a JSON object for each message (as -F %j)")
    .option("-N, --no-eol", "no end of line after the payload")
    .option("-C, --count <n>", "end after so many messages", (text) =>
      parseWhole(text, 1, Number.MAX_SAFE_INTEGER),
    )
    .option("-W, --timeout <s>", "end after so many seconds, as failed", (text) =>
      parseWhole(text, 1, 2_000_000),
    )
    .option("-E, --exit-after-sub", "end once the broker has answered the subscriptions")
    .option("-R, --no-stale", "do not print retained messages")
    .option("--retained-only", "print retained messages only, and end at the first other one")
    .option("--remove-retained", "clear the retained messages that come (-T keeps some)")
    .option("--retain-as-published", "show the retain flag as the publisher set it")
    .option("-T, --filter-out <filter>", "do not print these topics; may be repeated", collect, [])
    .option("-U, --unsubscribe <filter>", "unsubscribe; may be repeated", collect, [])
    .option("--since <when>", "begin with what was published since a time, -10m, or a position (MQTT 5)")
    .option("--position", "ask for the position of each message, a user property (MQTT 5)")
    .addHelpText("after", EXAMPLES);
  command.action((flags: SubFlags) => subscribe({ ...flags, ...staleFlag(argv) }, properties, context));
  return { command, argv: rest };
}

/** Commander reads `--no-stale` as `stale: false`. */
function staleFlag(argv: readonly string[]): { readonly noStale?: true } {
  return argv.includes("-R") || argv.includes("--no-stale") ? { noStale: true } : {};
}

async function subscribe(
  flags: SubFlags,
  properties: PropertyOptions,
  context: CommandContext,
): Promise<void> {
  const target = resolveTarget(flags, properties, context.environment, "sub");
  const filters = target.topic === undefined ? flags.topic : [...flags.topic, target.topic];
  if (filters.length === 0 && flags.unsubscribe.length === 0)
    throw new WrongUse("You must specify a topic to subscribe to: -t TOPIC.");
  const malformed = filters.find((filter) => !isTopicFilter(filter));
  if (malformed !== undefined) {
    throw new WrongUse(`Invalid subscription topic '${malformed}', are all '+' and '#' wildcards correct?`);
  }
  const format = compileSubFormat(flags);
  const tell = flags.quiet ? () => undefined : (line: string) => void context.stderr.write(`${line}\n`);
  const client = createClient(target, flags.debug ? tell : undefined);
  const subscriber = new Subscriber({ client, flags, format, tell, stdout: context.stdout, url: target.url });
  context.onSignal(["SIGINT", "SIGTERM"], () => subscriber.finish());
  const begin = async (): Promise<void> => {
    await whenConnected(client, target.url);
    // A connection that is lost from here on is taken up again, as mosquitto_sub does. MQTT.js notes what to subscribe
    // to again only while it is set to reconnect.
    client.options.reconnectPeriod = RECONNECT_PERIOD_MS;
    await unsubscribeFrom(client, flags.unsubscribe, properties);
    await subscribeTo(client, filters, subscribeOptions(flags, properties), tell);
    if (flags.exitAfterSub) subscriber.finish();
  };
  try {
    await begin();
  } catch (error) {
    // The count may be full before the last filter is asked for.
    if (!subscriber.isFinishing) throw error;
  }
  await subscriber.ended();
}

function compileSubFormat(flags: SubFlags): MessageFormat {
  const end = flags.eol ? "\\n" : "";
  if (flags.format !== undefined) return compileFormat(flags.format + end);
  if (flags.json) return compileFormat(`%j${end}`);
  return compileFormat((flags.verbose ? "%t %p" : "%p") + end);
}

function subscribeOptions(flags: SubFlags, properties: PropertyOptions): IClientSubscribeOptions {
  const asked = {
    ...(flags.since !== undefined && { since: flags.since }),
    ...(flags.position && { position: "true" }),
  };
  if (Object.keys(asked).length > 0 && flags.protocolVersion !== 5)
    throw new WrongUse("--since and --position need MQTT 5: leave -V out, or give -V mqttv5.");
  const { userProperties } = (properties.subscribe ?? {}) as { readonly userProperties?: object };
  const subscribe = Object.keys(asked).length > 0 && {
    ...properties.subscribe,
    userProperties: { ...userProperties, ...asked },
  };
  return {
    qos: flags.qos,
    ...(flags.retainAsPublished && { rap: true }),
    ...(flags.noStale && flags.protocolVersion === 5 && { rh: 2 }),
    ...(properties.subscribe && { properties: properties.subscribe }),
    ...(subscribe && { properties: subscribe }),
  };
}

/** One SUBSCRIBE a filter: MQTT.js does not keep the order of user properties that belong to several. */
async function subscribeTo(
  client: MqttClient,
  filters: readonly string[],
  options: IClientSubscribeOptions,
  tell: (line: string) => void,
): Promise<void> {
  let refused = 0;
  for (const filter of filters) {
    const answer = await answerTo(client, filter, options);
    const code = answer?.granted[0] ?? 0x80;
    if (Number(code) >= 0x80) {
      refused++;
      tell(
        `Subscription to '${filter}' was refused: ${client.options.protocolVersion === 5 ? refusalText(Number(code), answer) : "denied (0x80)"}.`,
      );
    } else {
      tellNarrowed(filter, answer, tell);
      tellReplay(filter, answer, tell);
    }
  }
  if (filters.length > 0 && refused === filters.length) {
    await client.endAsync();
    throw new CommandFailure("All subscription requests were denied.");
  }
}

function refusalText(code: number, answer: SubackPacket | undefined): string {
  const why = answer?.properties?.reasonString;
  return why === undefined ? reasonText(code) : `${reasonText(code)}: ${why}`;
}

function answerTo(
  client: MqttClient,
  filter: string,
  options: IClientSubscribeOptions,
): Promise<SubackPacket | undefined> {
  return new Promise((resolve, reject) => {
    client.subscribe(filter, options, (error, _granted, packet) => {
      if (packet) resolve(packet);
      else if (error) reject(new CommandFailure(`Subscribing to '${filter}' failed: ${error.message}.`));
      else resolve(undefined);
    });
  });
}

function tellNarrowed(filter: string, answer: SubackPacket | undefined, tell: (line: string) => void): void {
  const effective = [answer?.properties?.userProperties?.["effective-filter"] ?? []].flat();
  if (effective.length === 0) return;
  const more = [answer?.properties?.userProperties?.["effective-filter-more"] ?? []].flat()[0];
  tell(
    `'${filter}' is narrowed to what you may read: ${effective.join(", ")}${more === undefined ? "" : ` and ${more} more`}`,
  );
}

/** That a replay is whole needs no words. */
function tellReplay(filter: string, answer: SubackPacket | undefined, tell: (line: string) => void): void {
  const replay = [answer?.properties?.userProperties?.["replay"] ?? []].flat()[0];
  if (replay?.startsWith("replay-truncated"))
    tell(`'${filter}': there was more once of what --since asks for; the broker does not have it any more.`);
}

async function unsubscribeFrom(
  client: MqttClient,
  filters: readonly string[],
  properties: PropertyOptions,
): Promise<void> {
  for (const filter of filters)
    await client.unsubscribeAsync(
      filter,
      properties.unsubscribe ? { properties: properties.unsubscribe } : {},
    );
}
