import type { Schema } from "./api-description.ts";

/** Members that say something in an example, though nobody has to give them. */
const TELLING = [
  "acl",
  "ttl",
  "subject",
  "entries",
  "topic",
  "payload",
  "filter",
  "subscriptions",
  "clientId",
];

/** A value that the schema takes: what must be there, and a few members that tell what it is about. */
export function exampleOf(schema: Schema, name = ""): unknown {
  if (schema.examples?.length) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return exampleOf(schema.anyOf[0] ?? {}, name);
  const type = [schema.type ?? []].flat()[0];
  if (type === "object") return exampleObject(schema);
  if (type === "array")
    return Array.isArray(schema.items)
      ? schema.items.map((item: Schema) => exampleOf(item))
      : [exampleOf((schema.items as Schema | undefined) ?? {}, name)];
  if (type === "integer" || type === "number") return name === "ttl" ? 3600 : (schema.minimum ?? 0);
  if (type === "boolean") return false;
  return exampleText(schema, name);
}

function exampleObject({ properties = {}, required = [] }: Schema): Record<string, unknown> {
  const named = Object.entries(properties).filter(
    ([name]) => required.includes(name) || TELLING.includes(name),
  );
  return Object.fromEntries(named.map(([name, schema]) => [name, exampleOf(schema, name)]));
}

function exampleText({ format }: Schema, name: string): string {
  if (format === "date-time") return new Date(Date.now() + 3_600_000).toISOString();
  const texts: Readonly<Record<string, string>> = {
    topic: "data/alice/temperature",
    filter: "data/alice/#",
    subject: "alice",
    clientId: "alice-phone",
    payload: "21.5",
  };
  return texts[name] ?? (name === "" ? "21.5" : `a-${name.toLowerCase()}`);
}

/** The type of a value in a word or two. */
export function typeText(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeText).join(" | ");
  const type = [schema.type ?? "any"].flat().join(" | ");
  if (type !== "array") return schema.format === "date-time" ? "time (RFC 3339)" : type;
  return Array.isArray(schema.items)
    ? "array"
    : `array of ${typeText((schema.items as Schema | undefined) ?? {})}`;
}
