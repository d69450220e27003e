import { ConfigError } from "./config.ts";
import { closestName } from "./closest-name.ts";
import { environmentName, settings, type Setting } from "./settings.ts";

/** A value that somebody gave for a key, and where: what messages name. */
export interface GivenValue {
  readonly setting: Setting;
  readonly value: unknown;
  /** For example `weir.yaml`, `WEIR_MQTT_PORT`, `--mqtt-port`. */
  readonly origin: string;
}

export interface SourceReading {
  readonly given: readonly GivenValue[];
  readonly problems: readonly string[];
}

/** Variables of the command line and of tests, which are no keys. */
const RESERVED = /^WEIR_(URL|TOKEN|ADMIN_TOKEN|CONFIG|TEST_\w+)$/;
/** Kubernetes and Docker links put these into every container beside a service named `weir`. */
const SERVICE_LINK =
  /^WEIR_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?|NAME)$/;

/** Reads the keys out of a parsed YAML document. */
export function readDocument(document: unknown, origin: string): SourceReading {
  const given: GivenValue[] = [];
  const problems: string[] = [];
  const walk = (value: unknown, path: string): void => {
    const known = settings.find((setting) => setting.path === path);
    if (known) return void given.push({ setting: known, value, origin });
    if (path !== "" && !isSection(path)) return void problems.push(unknownKey(path, origin));
    if (value === null || value === undefined) return;
    if (typeof value !== "object" || Array.isArray(value)) {
      return void problems.push(
        `${path || "The document"} in ${origin} must be a section with keys of its own: ${keysBelow(path)}.`,
      );
    }
    for (const [key, child] of Object.entries(value)) walk(child, path === "" ? key : `${path}.${key}`);
  };
  walk(document, "");
  return { given, problems };
}

/** Reads the keys out of `WEIR_…` variables; an empty one counts as not set. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): SourceReading {
  const given: GivenValue[] = [];
  const problems: string[] = [];
  for (const [name, raw] of Object.entries(environment)) {
    if (!name.startsWith("WEIR_") || RESERVED.test(name) || raw === undefined || raw === "") continue;
    const setting = settings.find(({ path }) => environmentName(path) === name);
    if (setting) given.push({ setting, value: parseText(setting, raw), origin: name });
    else if (!SERVICE_LINK.test(name)) problems.push(unknownVariable(name));
  }
  return { given, problems };
}

/** Reads keys that flags have set: key to value. */
export function readFlags(
  flags: readonly { readonly path: string; readonly flag: string; readonly value: unknown }[],
): SourceReading {
  const given = flags.map(({ path, flag, value }) => {
    const setting = settings.find((known) => known.path === path);
    if (!setting) throw new ConfigError([`${flag} sets ${path}, which is no key.`]);
    return { setting, value: typeof value === "string" ? parseText(setting, value) : value, origin: flag };
  });
  return { given, problems: [] };
}

/** A text of the environment or of a flag in the key's own type; as it is where it does not fit, for the message. */
function parseText(setting: Setting, raw: string): unknown {
  const { type } = setting.schema as { type?: string };
  if (type === "integer") return /^-?\d+$/.test(raw.trim()) ? Number(raw) : raw;
  if (type === "boolean") return raw === "true" ? true : raw === "false" ? false : raw;
  if (type !== "array") return raw;
  if (!raw.trimStart().startsWith("[")) return raw.split(",").map((part) => part.trim());
  try {
    return JSON.parse(raw) as unknown;
  } catch {
    return raw;
  }
}

function isSection(path: string): boolean {
  return settings.some((setting) => setting.path.startsWith(`${path}.`));
}

function keysBelow(path: string): string {
  const prefix = path === "" ? "" : `${path}.`;
  const names = settings
    .filter((setting) => setting.path.startsWith(prefix))
    .map(({ path: full }) => full.slice(prefix.length).split(".")[0]);
  return [...new Set(names)].join(", ");
}

function unknownKey(path: string, origin: string): string {
  const suggestion = closestName(
    path,
    settings.map((setting) => setting.path),
  );
  const parent = path.slice(0, Math.max(0, path.lastIndexOf(".")));
  const remedy = suggestion
    ? `Did you mean ${suggestion}?`
    : `Known here: ${keysBelow(isSection(parent) ? parent : "")}.`;
  return `${path} in ${origin} is not a key of the configuration. ${remedy}`;
}

function unknownVariable(name: string): string {
  const suggestion = closestName(
    name,
    settings.map(({ path }) => environmentName(path)),
  );
  const remedy = suggestion
    ? `Did you mean ${suggestion}?`
    : "Unset it; `weir check-config --keys` lists all there are.";
  return `The environment variable ${name} names no key of the configuration. ${remedy}`;
}
