import { readFileSync } from "node:fs";
import Value from "typebox/value";
import { parseIpNetwork } from "../core/access/ip-network.ts";
import { parsePolicyEntries, PolicyEntryError } from "../core/access/policy-entry.ts";
import { parseTemplate } from "../core/access/template.ts";
import { parseHistories } from "./history-list.ts";
import type { GivenValue } from "./config-source.ts";
import type { SettingValues } from "./setting-values.ts";
import { describeExpected } from "./settings.ts";

const MISSING_ENGINES: Readonly<Record<string, string>> = {
  nats: "The engine on NATS JetStream is not there yet.",
};

/** What is wrong with the kind of one value: a sentence with the key, the value, where it was set and what it takes. */
export function typeProblems({ setting, value, origin }: GivenValue): string[] {
  if (Value.Check(setting.schema, value)) return [];
  const link = typeof value === "string" && /^(tcp|udp):\/\//.test(value) && origin.startsWith("WEIR_");
  const expected = `must be ${describeExpected(setting.schema)}${setting.fallback === undefined ? "" : `; the default is ${show(setting.fallback)}`}`;
  const remedy = link
    ? " It looks like a Kubernetes service link: set `enableServiceLinks: false` in the pod."
    : "";
  return [`${setting.path} is ${show(value)} (${origin}); it ${expected}.${remedy}`];
}

/** What is wrong with values that are right one by one. */
export function meaningProblems(values: SettingValues): string[] {
  return [
    ...engineProblems(values),
    ...tlsProblems(values, "mqtt.tls"),
    ...tlsProblems(values, "http.tls"),
    ...aclProblems(values),
    ...historyProblems(values),
    ...corsProblems(values),
    ...proxyProblems(values, "mqtt.proxyProtocol"),
    ...proxyProblems(values, "http.trustedProxies"),
    ...portProblems(values),
  ];
}

function engineProblems(values: SettingValues): string[] {
  const engine = values.text("engine");
  const missing = MISSING_ENGINES[engine];
  return missing
    ? [
        `engine is "${engine}" (${values.origin("engine")}). ${missing} Set it to "embedded" or "memory", or leave it out.`,
      ]
    : [];
}

function tlsProblems(values: SettingValues, section: "mqtt.tls" | "http.tls"): string[] {
  const cert = values.optionalText(`${section}.cert`);
  const key = values.optionalText(`${section}.key`);
  if ((cert === undefined) !== (key === undefined)) {
    const [there, absent] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    return [`${section}.${there} is given without ${section}.${absent}. Give both (PEM files), or neither.`];
  }
  const files = section === "mqtt.tls" ? ["cert", "key", "clientCa"] : ["cert", "key"];
  return files.flatMap((name) => fileProblems(values, `${section}.${name}`));
}

function fileProblems(values: SettingValues, path: string): string[] {
  const file = values.optionalText(path);
  if (file === undefined) return [];
  try {
    readFileSync(file);
    return [];
  } catch (cause) {
    return [
      `${path} is "${file}" (${values.origin(path)}), which cannot be read (${messageOf(cause)}). Give the path of a PEM file that the broker may read.`,
    ];
  }
}

function aclProblems(values: SettingValues): string[] {
  const acl = values.get("anonymous.acl");
  if (acl === undefined) return [];
  try {
    const entries = parsePolicyEntries(acl, "anonymous.acl");
    return entries.flatMap(({ topic }, i) => placeholderProblems(topic, `anonymous.acl[${i}].topic`));
  } catch (error) {
    if (error instanceof PolicyEntryError) return [`${error.message} (${values.origin("anonymous.acl")})`];
    throw error;
  }
}

function placeholderProblems(topic: string, path: string): string[] {
  const [placeholder] = parseTemplate(topic).placeholders;
  if (placeholder === undefined) return [];
  return [
    `${path} holds \${${placeholder}}, which an anonymous client chooses itself. Name the topics, or use access tokens.`,
  ];
}

function historyProblems(values: SettingValues): string[] {
  const { problems } = parseHistories(values.items("histories"));
  return problems.map((problem) => `${problem} (${values.origin("histories")}).`);
}

/** As browsers send it (RFC 6454 §7). */
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s@]+$/i;

function corsProblems(values: SettingValues): string[] {
  const wrong = values.items("http.cors").filter((origin) => origin !== "*" && !ORIGIN.test(origin));
  if (wrong.length === 0) return [];
  return [
    `http.cors holds ${show(wrong[0])} (${values.origin("http.cors")}); each must be an origin without a path, such as https://app.example.com, or * for all.`,
  ];
}

function proxyProblems(values: SettingValues, path: string): string[] {
  const wrong = values.items(path).filter((entry) => parseIpNetwork(entry) === undefined);
  if (wrong.length === 0) return [];
  return [
    `${path} holds ${show(wrong[0])} (${values.origin(path)}); each must be an address or a network, such as 10.0.0.7 or 10.0.0.0/8.`,
  ];
}

function portProblems(values: SettingValues): string[] {
  const listening = ["mqtt", "http"].map((name) => ({
    path: `${name}.port`,
    host: values.text(`${name}.host`),
  }));
  if (values.get("mqtt.tls.cert") !== undefined)
    listening.push({ path: "mqtt.tls.port", host: values.text("mqtt.host") });
  const taken = new Map<string, string>();
  for (const { path, host } of listening) {
    const port = values.number(path);
    const place = `${host}:${port}`;
    const other = taken.get(place);
    if (other !== undefined && port !== 0)
      return [
        `${path} is ${port} (${values.origin(path)}), which ${other} has too. Give each a port of its own.`,
      ];
    taken.set(place, path);
  }
  return [];
}

/** The value as a message may show it: bounded, and nothing that could be a credential stands in this file. */
function show(value: unknown): string {
  if (value === null) return "empty";
  const shown = JSON.stringify(value) ?? "nothing";
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
}

/** The code of a file error (`ENOENT`), or the message. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
}
