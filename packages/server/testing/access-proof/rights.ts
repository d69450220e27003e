import type { Qos } from "@weir/protocol";

export type Action = "publish" | "subscribe" | "replay";

/** A policy entry as REST takes it. */
export interface Entry {
  readonly effect?: "allow" | "deny";
  readonly actions: readonly Action[];
  readonly topic: string;
  readonly maxQos?: Qos;
  readonly retain?: boolean;
  readonly share?: readonly string[];
}

/** What somebody may do: each layer has to allow it. Undefined: there is no such principal any more. */
export type Rights = readonly (readonly Entry[])[] | undefined;

/** What stands in the place of a placeholder; an array is any of its elements. */
export type Values = Readonly<Record<string, string | readonly string[]>>;

/** By definition (MQTT 5.0 §4.7), level by level; no topic here begins with `$`. */
export function matches(filter: string, topic: string): boolean {
  const [wanted, levels] = [filter.split("/"), topic.split("/")];
  for (const [i, level] of wanted.entries()) {
    if (level === "#") return true;
    if (levels[i] === undefined || (level !== "+" && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

/** The entries with each placeholder replaced: an unknown one leaves nothing of an allow entry, and widens a deny entry. */
export function filled(entries: readonly Entry[], values: Values): Entry[] {
  return entries.flatMap((entry) => {
    const name = /\$\{([^}]+)\}/.exec(entry.topic)?.[1];
    if (name === undefined) return [entry];
    const unknown = entry.effect === "deny" ? ["+"] : [];
    const found = values[name] === undefined ? unknown : [values[name]].flat();
    return filled(
      found.map((value) => ({ ...entry, topic: entry.topic.replace(`\${${name}}`, value) })),
      values,
    );
  });
}

/** At which QoS messages on the topic may be delivered; -1: not at all. */
export function readQos(rights: Rights, topic: string): number {
  if (!rights) return -1;
  const ofLayers = rights.map((layer) => {
    const { allows, isDenied } = concerned(layer, "subscribe", topic);
    return isDenied ? -1 : Math.max(-1, ...allows.map(({ maxQos = 2 }) => maxQos));
  });
  return Math.min(...ofLayers);
}

export interface Attempt {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly responseTopic?: string | undefined;
}

export function mayPublish(rights: Rights, { topic, qos, retain, responseTopic }: Attempt): boolean {
  if (!rights || (responseTopic !== undefined && readQos(rights, responseTopic) < 0)) return false;
  return rights.every((layer) => {
    const { allows, isDenied } = concerned(layer, "publish", topic);
    const isAllowed = (entry: Entry): boolean =>
      qos <= (entry.maxQos ?? 2) && (!retain || entry.retain !== false);
    return !isDenied && allows.some(isAllowed);
  });
}

export function mayReplay(rights: Rights, topic: string): boolean {
  if (!rights || readQos(rights, topic) < 0) return false;
  return rights.every((layer) => {
    const { allows, isDenied } = concerned(layer, "replay", topic);
    return !isDenied && allows.length > 0;
  });
}

function concerned(
  layer: readonly Entry[],
  action: Action,
  topic: string,
): { allows: Entry[]; isDenied: boolean } {
  const matching = layer.filter((entry) => entry.actions.includes(action) && matches(entry.topic, topic));
  const allows = matching.filter(({ effect }) => effect !== "deny");
  return { allows, isDenied: allows.length < matching.length };
}
