import { isAllowedText, pureTextCodec, type Qos } from "@weir/protocol";
import { parseTemplate } from "./template.ts";

export type PolicyAction = "publish" | "subscribe" | "replay";

/** One line of an ACL or a named policy, as REST and configuration spell it. */
export interface PolicyEntry {
  /** A deny beats every allow. Default: allow. */
  readonly effect?: "allow" | "deny";
  readonly actions: readonly PolicyAction[];
  /** A topic filter; `${subject}`, `${clientId}`, `${tokenId}`, `${claims.path}` are filled in at connect. */
  readonly topic: string;
  /** Upper bound on the QoS, on allow entries only. Default: 2. */
  readonly maxQos?: Qos;
  /** Whether retained messages may be published, on allow entries only. Default: true. */
  readonly retain?: boolean;
  /** Share groups of the whole tenant that this entry opens, on allow entries only. */
  readonly share?: readonly string[];
  /** How old a message may be to be replayed, in seconds; on allow entries with the action `replay`. Default: any age. */
  readonly maxAge?: number;
}

export const MAX_POLICY_ENTRIES = 1_000;
const MAX_POLICY_FILTER_BYTES = 1_024;
const MAX_POLICY_FILTER_LEVELS = 128;
/** Bounds on the names of one entry's `share`. */
const MAX_SHARE_GROUPS = 64;
const MAX_SHARE_GROUP_BYTES = 128;

/** The declaration cannot be accepted; `path` says where, the message what is wrong and what to write instead. */
export class PolicyEntryError extends Error {
  override readonly name = "PolicyEntryError";
  /** For example `acl[3].topic`. */
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.path = path;
  }
}

const ACTIONS: readonly string[] = ["publish", "subscribe", "replay"] satisfies PolicyAction[];
const ALLOW_ONLY = ["maxQos", "retain", "share", "maxAge"] as const;
const KEYS: readonly string[] = ["effect", "actions", "topic", ...ALLOW_ONLY];
const PLACEHOLDER_NAME = /^(?:subject|clientId|tokenId|claims\.[^{}]+)$/;

/**
 * Takes a list of policy entries from REST or configuration.
 *
 * @param path where the list stands, for messages: `acl`, `anonymous.acl`, `entries`
 * @throws {PolicyEntryError} naming the first thing that is wrong
 */
export function parsePolicyEntries(value: unknown, path = "acl"): PolicyEntry[] {
  if (!Array.isArray(value)) throw new PolicyEntryError(path, "must be a list of policy entries");
  if (value.length > MAX_POLICY_ENTRIES) {
    throw new PolicyEntryError(
      path,
      `has ${value.length} entries; at most ${MAX_POLICY_ENTRIES} are possible, so use wildcards`,
    );
  }
  return value.map((entry: unknown, i) => parseEntry(entry, `${path}[${i}]`));
}

function parseEntry(value: unknown, path: string): PolicyEntry {
  if (!isRecord(value)) {
    throw new PolicyEntryError(
      path,
      'must be an object such as {"actions": ["subscribe"], "topic": "data/#"}',
    );
  }
  const unknownKey = Object.keys(value).find((key) => !KEYS.includes(key));
  if (unknownKey !== undefined) {
    throw new PolicyEntryError(`${path}.${unknownKey}`, `is not known; possible are ${KEYS.join(", ")}`);
  }
  const effect = parseEffect(value["effect"], `${path}.effect`);
  if (effect === "deny") refuseBounds(value, path);
  const actions = parseActions(value["actions"], `${path}.actions`);
  return {
    ...(effect && { effect }),
    actions,
    topic: parseTopic(value["topic"], `${path}.topic`),
    ...parseBounds(value, path),
    ...parseMaxAge(value["maxAge"], actions, `${path}.maxAge`),
  };
}

function parseEffect(value: unknown, path: string): "allow" | "deny" | undefined {
  if (value === undefined || value === "allow" || value === "deny") return value;
  throw new PolicyEntryError(path, `is ${show(value)}; must be "allow" (the default) or "deny"`);
}

function refuseBounds(entry: Readonly<Record<string, unknown>>, path: string): void {
  const bound = ALLOW_ONLY.find((key) => entry[key] !== undefined);
  if (bound !== undefined) {
    throw new PolicyEntryError(
      `${path}.${bound}`,
      "bounds an allow entry; a deny entry denies altogether, so leave it out",
    );
  }
}

function parseActions(value: unknown, path: string): readonly PolicyAction[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new PolicyEntryError(path, "must be a list of one or more of publish, subscribe, replay");
  }
  for (const action of value as readonly unknown[]) {
    if (typeof action !== "string" || !ACTIONS.includes(action)) {
      throw new PolicyEntryError(path, `holds ${show(action)}; possible are publish, subscribe, replay`);
    }
  }
  return [...new Set(value as PolicyAction[])];
}

function parseBounds(
  entry: Readonly<Record<string, unknown>>,
  path: string,
): Pick<PolicyEntry, "maxQos" | "retain" | "share"> {
  const { maxQos, retain, share } = entry;
  if (maxQos !== undefined && maxQos !== 0 && maxQos !== 1 && maxQos !== 2) {
    throw new PolicyEntryError(`${path}.maxQos`, `is ${show(maxQos)}; must be 0, 1 or 2`);
  }
  if (retain !== undefined && typeof retain !== "boolean") {
    throw new PolicyEntryError(`${path}.retain`, `is ${show(retain)}; must be true or false`);
  }
  return {
    ...(maxQos !== undefined && { maxQos }),
    ...(retain !== undefined && { retain }),
    ...(share !== undefined && { share: parseShare(share, `${path}.share`) }),
  };
}

function parseMaxAge(
  value: unknown,
  actions: readonly PolicyAction[],
  path: string,
): Pick<PolicyEntry, "maxAge"> {
  if (value === undefined) return {};
  if (!actions.includes("replay"))
    throw new PolicyEntryError(path, 'bounds the action "replay", which is not among the actions');
  if (Number.isSafeInteger(value) && (value as number) > 0) return { maxAge: value as number };
  throw new PolicyEntryError(path, `is ${show(value)}; must be a whole number of seconds, 1 or more`);
}

function parseShare(value: unknown, path: string): readonly string[] {
  if (!Array.isArray(value))
    throw new PolicyEntryError(path, 'must be a list of share group names such as ["workers"]');
  if (value.length > MAX_SHARE_GROUPS) {
    throw new PolicyEntryError(
      path,
      `names ${value.length} groups; at most ${MAX_SHARE_GROUPS} are possible`,
    );
  }
  return value.map((group: unknown, i) => {
    // A share name has at least one character and none of / + # [MQTT-4.8.2-1, -2].
    if (
      typeof group === "string" &&
      /^[^/+#]+$/.test(group) &&
      isAllowedText(group) &&
      pureTextCodec.byteLength(group) <= MAX_SHARE_GROUP_BYTES
    ) {
      return group;
    }
    throw new PolicyEntryError(
      `${path}[${i}]`,
      `is ${show(group)}; must be a name of 1 to ${MAX_SHARE_GROUP_BYTES} bytes without "/", "+", "#"`,
    );
  });
}

function parseTopic(value: unknown, path: string): string {
  if (typeof value !== "string" || value === "") {
    throw new PolicyEntryError(path, `must be a topic filter such as "data/\${subject}/#"`);
  }
  const problem = textProblem(value) ?? placeholderProblem(value) ?? filterProblem(value);
  if (problem !== undefined) throw new PolicyEntryError(path, `${show(value)} ${problem}`);
  return value;
}

function textProblem(topic: string): string | undefined {
  if (!isAllowedText(topic)) return "holds a character that no topic may hold; leave it out";
  const bytes = pureTextCodec.byteLength(topic);
  return bytes > MAX_POLICY_FILTER_BYTES
    ? `has ${bytes} bytes; at most ${MAX_POLICY_FILTER_BYTES} are possible`
    : undefined;
}

function placeholderProblem(topic: string): string | undefined {
  const template = parseTemplate(topic);
  const unknown = template.placeholders.find((name) => !PLACEHOLDER_NAME.test(name));
  if (unknown !== undefined) {
    return `has the unknown placeholder \${${unknown}}; possible are \${subject}, \${clientId}, \${tokenId}, \${claims.…}`;
  }
  const first = template.levels[0] ?? [];
  const begin = first[0];
  if (
    begin &&
    "literal" in begin &&
    begin.literal.startsWith("$") &&
    first.some((part) => "placeholder" in part)
  ) {
    return 'has a placeholder in a first level that begins with "$"; name such topics literally';
  }
  const isOpen = template.levels.some((level) =>
    level.some((part) => "literal" in part && part.literal.includes("${")),
  );
  return isOpen ? 'has a "${" without its "}"; close the placeholder' : undefined;
}

function filterProblem(topic: string): string | undefined {
  const levels = parseTemplate(topic).levels.map((level) =>
    level.map((part) => ("literal" in part ? part.literal : "x")).join(""),
  );
  if (levels.length > MAX_POLICY_FILTER_LEVELS)
    return `has ${levels.length} levels; at most ${MAX_POLICY_FILTER_LEVELS} are possible`;
  if (levels[0] === "$share")
    return 'begins with "$share"; name the filter behind the group, and open the group with "share"';
  for (const [i, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || i < levels.length - 1))
      return 'has a "#" that is not the whole last level [MQTT-4.7.1-1]';
    if (level.includes("+") && level !== "+") return 'has a "+" that is not a whole level [MQTT-4.7.1-2]';
  }
  return undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as it may stand in a message: bounded, because it came from outside. */
function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
