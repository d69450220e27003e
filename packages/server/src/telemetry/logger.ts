import { pino } from "pino";
import type { Logger } from "../core/ports/telemetry.ts";

export const LOG_LEVELS = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where lines go: a stream of the process, or what a test gives. */
export interface LogStream {
  readonly isTTY?: boolean | undefined;
  write(line: string): unknown;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly stream: LogStream;
  /** Texts that never appear in a line, whatever is logged: keys that do not look like keys. */
  readonly secrets?: readonly string[];
}

/** Whatever is in a field of one of these names is not for the log. */
const SECRET_FIELDS = [
  "password",
  "key",
  "token",
  "authorization",
  "secret",
  "payload",
  "credential",
  "credentials",
];
const KEY = /weir_([0-9a-z]{1,64})_[\w-]+/g;
const MASK = "[redacted]";

/** A logger that writes a JSON object a line, or on a terminal a line for people. Keys of access tokens are masked. */
export function createLogger(options: LoggerOptions): Logger {
  const { level, stream, secrets = [] } = options;
  const present = stream.isTTY ? presentForPeople : (line: string): string => line;
  const destination = { write: (line: string): unknown => stream.write(mask(present(line), secrets)) };
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: MASK },
    },
    destination,
  );
  return logger;
}

/** Keys keep their id, which is no secret and says whose they are. */
function mask(line: string, secrets: readonly string[]): string {
  let masked = line.replace(KEY, `weir_$1_${MASK}`);
  for (const secret of secrets)
    masked = masked.replaceAll(JSON.stringify(secret).slice(1, -1), MASK).replaceAll(secret, MASK);
  return masked;
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack } = error;
  return { name, message, stack };
}

/** `09:30:00.123 warn  what happened  name=value` */
function presentForPeople(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${presentValue(value)}`);
  return `${[String(time).slice(11, 23), String(level).padEnd(5), msg, ...pairs].join(" ")}\n`;
}

function presentValue(value: unknown): string {
  if (typeof value === "string") return /^[\w./:@$+-]+$/.test(value) ? value : JSON.stringify(value);
  const { message, stack } = (value ?? {}) as { readonly message?: unknown; readonly stack?: unknown };
  if (typeof stack === "string") return `${JSON.stringify(message)}\n${stack}`;
  return JSON.stringify(value);
}
