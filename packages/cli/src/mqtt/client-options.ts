import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Option, type Command } from "commander";
import type { IClientOptions } from "mqtt";
import { WrongUse } from "../command-failure.ts";
import type { PropertyOptions } from "./property-options.ts";
import { parseBrokerUrl } from "./broker-url.ts";

/** What `pub` and `sub` have in common, in the names of commander's options. */
export interface ClientFlags {
  readonly host?: string;
  readonly port?: number;
  readonly username?: string;
  readonly pw?: string;
  readonly id?: string;
  readonly idPrefix?: string;
  readonly keepalive: number;
  readonly protocolVersion: ProtocolVersion;
  readonly disableCleanSession?: true;
  readonly sessionExpiryInterval?: number;
  readonly url?: string;
  readonly ws?: true;
  readonly cafile?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure?: true;
  readonly willTopic?: string;
  readonly willPayload?: string;
  readonly willQos?: 0 | 1 | 2;
  readonly willRetain?: true;
  readonly debug?: true;
  readonly quiet?: true;
}

export type ProtocolVersion = 3 | 4 | 5;

/** Where to connect, and as whom. */
export interface Target {
  readonly url: string;
  /** From `-L mqtt://host/topic`. */
  readonly topic: string | undefined;
  readonly options: IClientOptions;
}

const VERSIONS: Readonly<Record<string, ProtocolVersion>> = {
  mqttv5: 5,
  5: 5,
  mqttv311: 4,
  311: 4,
  mqttv31: 3,
  31: 3,
};
const NEVER_EXPIRES = 4_294_967_295;

/** Adds the options that mosquitto's clients share, under the same letters. */
export function addClientOptions(command: Command): Command {
  const number = (minimum: number, maximum: number) => (text: string) => parseWhole(text, minimum, maximum);
  return command
    .helpOption("--help", "show this")
    .option("-h, --host <host>", "broker's host (default: 127.0.0.1)")
    .option("-p, --port <port>", "broker's port (default: 1883; TLS 8883; WebSocket 8080)", number(1, 65_535))
    .option(
      "-L, --url <url>",
      "mqtt(s)://[user[:password]@]host[:port][/topic], or ws(s)://host[:port][/mqtt]; also WEIR_URL",
    )
    .option("--ws", "MQTT over WebSocket")
    .option(
      "-u, --username <name>",
      "user name: the access token, when there is no password (also WEIR_TOKEN)",
    )
    .option("-P, --pw <password>", "password: the access token")
    .option("-i, --id <id>", "client id")
    .option("-I, --id-prefix <prefix>", "client id: this, and the process id")
    .option("-k, --keepalive <s>", "keep alive in seconds", number(0, 65_535), 60)
    .addOption(
      new Option("-V, --protocol-version <version>", "mqttv5 | 5, mqttv311 | 311, mqttv31 | 31")
        .argParser(parseVersion)
        .default(5, "mqttv5"),
    )
    .option("-c, --disable-clean-session", "keep the session at the broker (needs -i)")
    .option(
      "-x, --session-expiry-interval <s>",
      "how long the session is kept after the end; -1 or ∞: for ever",
      parseExpiry,
    )
    .option("-d, --debug", "tell what is sent and received")
    .option("--quiet", "no error messages")
    .option("--will-topic <topic>", "topic of the will")
    .option("--will-payload <text>", "payload of the will")
    .option("--will-qos <qos>", "QoS of the will", number(0, 2))
    .option("--will-retain", "retain the will")
    .option("--cafile <file>", "authorities to trust, a PEM file: connects with TLS")
    .option("--cert <file>", "client certificate, a PEM file")
    .option("--key <file>", "its private key, a PEM file")
    .option("--insecure", "do not check the server's certificate")
    .option("-D, --property <packet name value>", "an MQTT 5 property: -D publish user-property k v");
}

/** A whole number out of an option. @throws {WrongUse} */
export function parseWhole(text: string, minimum: number, maximum: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
  throw new WrongUse(`"${text}" is not a whole number from ${minimum} to ${maximum}.`);
}

function parseVersion(text: string): ProtocolVersion {
  const version = VERSIONS[text];
  if (version === undefined)
    throw new WrongUse(`-V ${text}: the version must be mqttv5, mqttv311 or mqttv31.`);
  return version;
}

function parseExpiry(text: string): number {
  return text === "-1" || text === "∞" ? NEVER_EXPIRES : parseWhole(text, 0, NEVER_EXPIRES);
}

/**
 * Where to connect and as whom: flags, then `-L`, then WEIR_URL and WEIR_TOKEN.
 *
 * @param role the command's name, for the client id
 * @throws {WrongUse} for options that contradict each other
 */
export function resolveTarget(
  flags: ClientFlags,
  properties: PropertyOptions,
  environment: Readonly<Record<string, string | undefined>>,
  role: string,
): Target {
  const place = resolvePlace(flags, environment["WEIR_URL"]);
  const credentials = resolveCredentials(flags, place, environment["WEIR_TOKEN"]);
  if (flags.disableCleanSession && flags.id === undefined)
    throw new WrongUse("You must provide a client id (-i) if you use -c.");
  const connect = connectProperties(flags, properties);
  return {
    url: place.url,
    topic: place.topic,
    options: {
      ...credentials,
      clientId:
        flags.id ??
        `${flags.idPrefix ?? `weir-${role}-`}${flags.idPrefix === undefined ? randomBytes(4).toString("hex") : process.pid}`,
      keepalive: flags.keepalive,
      protocolVersion: flags.protocolVersion,
      ...(flags.protocolVersion === 3 && { protocolId: "MQIsdp" as const }),
      clean: !flags.disableCleanSession,
      reconnectPeriod: 0,
      ...(connect && { properties: connect }),
      ...will(flags, properties),
      ...tls(flags),
    },
  };
}

interface Place {
  readonly url: string;
  readonly topic?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

function resolvePlace(flags: ClientFlags, environmentUrl: string | undefined): Place {
  if (flags.url !== undefined) return parseBrokerUrl(flags.url, "-L");
  const isPlaced =
    flags.host !== undefined ||
    flags.port !== undefined ||
    flags.ws !== undefined ||
    flags.cafile !== undefined;
  if (!isPlaced && environmentUrl) return parseBrokerUrl(environmentUrl, "WEIR_URL");
  if (flags.host?.includes("://")) return parseBrokerUrl(flags.host, "-h");
  const isTls =
    flags.cafile !== undefined ||
    flags.cert !== undefined ||
    flags.insecure !== undefined ||
    flags.port === 8883;
  const host = flags.host?.includes(":") ? `[${flags.host}]` : (flags.host ?? "127.0.0.1");
  if (flags.ws) return { url: `${isTls ? "wss" : "ws"}://${host}:${flags.port ?? 8080}/mqtt` };
  return { url: `${isTls ? "mqtts" : "mqtt"}://${host}:${flags.port ?? (isTls ? 8883 : 1883)}` };
}

function resolveCredentials(
  flags: ClientFlags,
  place: Place,
  token: string | undefined,
): Pick<IClientOptions, "username" | "password"> {
  const username = flags.username ?? place.username;
  const password = flags.pw ?? place.password;
  if (password !== undefined && username === undefined && flags.protocolVersion < 5) {
    // A password without a user name cannot be sent before MQTT 5 [MQTT-3.1.2-22 of 3.1.1].
    return { username: "weir", password };
  }
  if (username === undefined && password === undefined) return token ? { username: token } : {};
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

function connectProperties(flags: ClientFlags, properties: PropertyOptions): IClientOptions["properties"] {
  if (flags.protocolVersion < 5) {
    if (Object.keys(properties).length > 0)
      throw new WrongUse("-D needs MQTT 5: leave -V out, or give -V mqttv5.");
    return undefined;
  }
  const expiry = flags.sessionExpiryInterval ?? (flags.disableCleanSession ? NEVER_EXPIRES : undefined);
  const merged = { ...properties.connect, ...(expiry !== undefined && { sessionExpiryInterval: expiry }) };
  return Object.keys(merged).length > 0 ? merged : undefined;
}

function will(flags: ClientFlags, properties: PropertyOptions): Pick<IClientOptions, "will"> {
  if (flags.willTopic === undefined) {
    if (
      flags.willPayload !== undefined ||
      flags.willQos !== undefined ||
      flags.willRetain ||
      properties.will
    ) {
      throw new WrongUse("A will needs its topic: --will-topic.");
    }
    return {};
  }
  return {
    will: {
      topic: flags.willTopic,
      payload: Buffer.from(flags.willPayload ?? ""),
      qos: flags.willQos ?? 0,
      retain: flags.willRetain ?? false,
      ...(properties.will && { properties: properties.will }),
    },
  };
}

function tls(flags: ClientFlags): Pick<IClientOptions, "ca" | "cert" | "key" | "rejectUnauthorized"> {
  return {
    ...(flags.cafile !== undefined && { ca: readPem("--cafile", flags.cafile) }),
    ...(flags.cert !== undefined && { cert: readPem("--cert", flags.cert) }),
    ...(flags.key !== undefined && { key: readPem("--key", flags.key) }),
    ...(flags.insecure && { rejectUnauthorized: false }),
  };
}

function readPem(flag: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new WrongUse(
      `${flag} ${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}.`,
    );
  }
}
