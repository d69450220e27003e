import { existsSync, readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { parsePolicyEntries } from "../core/access/policy-entry.ts";
import type { QueuePolicy } from "../core/access/principal-limits.ts";
import type { OverRate } from "../core/session/limits.ts";
import { parseHistories } from "./history-list.ts";
import { ConfigError, type Config } from "./config.ts";
import {
  readDocument,
  readEnvironment,
  readFlags,
  type GivenValue,
  type SourceReading,
} from "./config-source.ts";
import { meaningProblems, messageOf, typeProblems } from "./setting-problems.ts";
import { SettingValues } from "./setting-values.ts";

export interface ConfigFlag {
  /** The key that the flag sets. */
  readonly path: string;
  /** As it is typed, for messages. */
  readonly flag: string;
  readonly value: unknown;
}

export interface ConfigSources {
  /** A YAML file that must exist; without it `weir.yaml` in the working directory, if there is one. */
  readonly file?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly flags?: readonly ConfigFlag[];
}

const DEFAULT_FILE = "weir.yaml";
/**
 * The configuration from file, environment and flags, in rising order.
 *
 * @throws {ConfigError} with everything that is wrong at once, each with the key, the value and the remedy
 * @example loadConfig({ flags: [{ path: "mqtt.port", flag: "--mqtt-port", value: "1884" }] }).mqtt.port // 1884
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const readings = [
    readFile(sources.file),
    readEnvironment(sources.environment ?? {}),
    readFlags(sources.flags ?? []),
  ];
  const given = new Map<string, GivenValue>();
  for (const value of readings.flatMap((reading) => reading.given)) given.set(value.setting.path, value);
  const problems = readings.flatMap((reading) => reading.problems);
  for (const value of given.values()) problems.push(...typeProblems(value));
  const values = new SettingValues(given);
  if (problems.length === 0) problems.push(...meaningProblems(values));
  if (problems.length > 0) throw new ConfigError(problems);
  return toConfig(values);
}

function readFile(file: string | undefined): SourceReading {
  const path = file ?? DEFAULT_FILE;
  if (file === undefined && !existsSync(path)) return { given: [], problems: [] };
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (cause) {
    return {
      given: [],
      problems: [
        `The configuration file ${path} cannot be read (${messageOf(cause)}). Check the path and its rights.`,
      ],
    };
  }
  const document = parseDocument(content);
  const [error] = document.errors;
  if (error) return { given: [], problems: [`${path} is not valid YAML: ${error.message.trim()}`] };
  return readDocument(document.toJS(), path);
}

function toConfig(values: SettingValues): Config {
  const acl = values.get("anonymous.acl");
  return {
    mqtt: {
      host: values.text("mqtt.host"),
      port: values.number("mqtt.port"),
      ...mqttTls(values),
      maxPacketBytes: values.number("mqtt.maxPacketBytes"),
      receiveMaximum: values.number("mqtt.receiveMaximum"),
      topicAliasMaximum: values.number("mqtt.topicAliasMaximum"),
      maxKeepAliveS: values.number("mqtt.maxKeepAliveS"),
      proxyProtocol: values.items("mqtt.proxyProtocol"),
    },
    http: {
      host: values.text("http.host"),
      port: values.number("http.port"),
      ...httpTls(values),
      trustedProxies: values.items("http.trustedProxies"),
      cors: values.items("http.cors"),
    },
    data: values.text("data"),
    engine: values.text("engine") as Config["engine"],
    anonymous: {
      allow: values.text("anonymous.allow") as Config["anonymous"]["allow"],
      ...(acl !== undefined && { acl: parsePolicyEntries(acl, "anonymous.acl") }),
    },
    histories: parseHistories(values.items("histories")).histories,
    limits: limitsConfig(values),
    log: { level: values.text("log.level") as Config["log"]["level"] },
  };
}

function mqttTls(values: SettingValues): Pick<Config["mqtt"], "tls"> {
  const cert = values.optionalText("mqtt.tls.cert");
  const key = values.optionalText("mqtt.tls.key");
  const clientCa = values.optionalText("mqtt.tls.clientCa");
  if (cert === undefined || key === undefined) return {};
  return {
    tls: { port: values.number("mqtt.tls.port"), cert, key, ...(clientCa !== undefined && { clientCa }) },
  };
}

function httpTls(values: SettingValues): Pick<Config["http"], "tls"> {
  const cert = values.optionalText("http.tls.cert");
  const key = values.optionalText("http.tls.key");
  return cert === undefined || key === undefined ? {} : { tls: { cert, key } };
}

function limitsConfig(values: SettingValues): Config["limits"] {
  return {
    maxConnections: values.number("limits.maxConnections"),
    maxTopicBytes: values.number("limits.maxTopicBytes"),
    maxTopicLevels: values.number("limits.maxTopicLevels"),
    maxSubscriptions: values.number("limits.maxSubscriptions"),
    maxSessionExpiryS: values.number("limits.maxSessionExpiryS"),
    queuedMessages: values.number("limits.queuedMessages"),
    queuedBytes: values.number("limits.queuedBytes"),
    queuedAgeS: values.number("limits.queuedAgeS"),
    queuePolicy: values.text("limits.queuePolicy") as QueuePolicy,
    overRate: values.text("limits.overRate") as OverRate,
    maxSessions: values.number("limits.maxSessions"),
    maxRetainedMessages: values.number("limits.maxRetainedMessages"),
    directQueuedMessages: values.number("limits.directQueuedMessages"),
    directQueuedBytes: values.number("limits.directQueuedBytes"),
    diskReserveBytes: values.number("limits.diskReserveBytes"),
    logSegmentBytes: values.number("limits.logSegmentBytes"),
    logFloorS: values.number("limits.logFloorS"),
    logFloorBytes: values.number("limits.logFloorBytes"),
    tellsNoMatchingSubscribers: values.flag("limits.tellsNoMatchingSubscribers"),
    maxBufferBytes: values.number("limits.maxBufferBytes"),
    connectTimeoutS: values.number("limits.connectTimeoutS"),
    maxHandshakes: values.number("limits.maxHandshakes"),
    maxHandshakeBytes: values.number("limits.maxHandshakeBytes"),
    maxConnectBytes: values.number("limits.maxConnectBytes"),
    connectRate: values.number("limits.connectRate"),
    connectQueue: values.number("limits.connectQueue"),
    tlsHandshakeRate: values.number("limits.tlsHandshakeRate"),
    maxHttpConnections: values.number("limits.maxHttpConnections"),
    httpRequestRate: values.number("limits.httpRequestRate"),
    auditEntries: values.number("limits.auditEntries"),
    loginFailures: values.number("limits.loginFailures"),
    maxTickets: values.number("limits.maxTickets"),
    maxUserProperties: values.number("limits.maxUserProperties"),
    maxSubscriptionLevels: values.number("limits.maxSubscriptionLevels"),
    inFlightBytes: values.number("limits.inFlightBytes"),
  };
}
