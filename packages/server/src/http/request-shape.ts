import type { TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { Convert } from "typebox/value";
import { AdminError } from "../admin/admin-error.ts";

/** Where a value stands in a request: it is named in messages, and texts of a query may stand for numbers. */
export type RequestPart = "body" | "query" | "path";

/** What fastify calls with each request's part. */
export type ShapeCheck = (value: unknown) => { readonly value: unknown } | { readonly error: AdminError };

interface Finding {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

/** Entries of ACLs and policies are left to the use case, whose messages say more. */
const LEFT_TO_USE_CASE = /^(?:\/mint)?\/(?:acl|entries)\/\d/;
/** Follow-ups of findings that say more. */
const UNHELPFUL: readonly string[] = ["boolean", "anyOf", "additionalProperties", "unevaluatedProperties"];

/** Makes the check of one part of a request; unknown members are refused, never ignored. */
export function compileShapeCheck(schema: TSchema, part: RequestPart): ShapeCheck {
  const validator = Compile(schema);
  return (value) => {
    const converted = part === "query" ? Convert(schema, { ...(value as object) }) : value;
    if (validator.Check(converted)) return { value: converted };
    const detail = describeFirst(validator, converted, part);
    return detail === undefined ? { value: converted } : { error: new AdminError("invalid", detail) };
  };
}

function describeFirst(validator: Validator, value: unknown, part: RequestPart): string | undefined {
  const findings = (validator.Errors(value) as Finding[]).filter(
    ({ instancePath }) => !LEFT_TO_USE_CASE.test(instancePath),
  );
  for (const finding of findings) {
    const unknown = unknownMember(finding);
    if (unknown !== undefined) return `${nameOf(finding.instancePath, part, unknown)}: is not known`;
  }
  const helpful = findings.filter(
    (finding) => !UNHELPFUL.includes(finding.keyword) && !isNullAlternative(finding),
  );
  const finding = helpful[0] ?? findings[0];
  return finding && `${nameOf(finding.instancePath, part)}: ${messageOf(finding)}`;
}

function unknownMember({ keyword, params }: Finding): string | undefined {
  if (keyword !== "additionalProperties") return undefined;
  return (params as { readonly additionalProperties?: readonly string[] }).additionalProperties?.[0];
}

/** A merge patch may say null for every member: that needs no mention each time. */
function isNullAlternative({ keyword, params }: Finding): boolean {
  return keyword === "type" && (params as { readonly type?: unknown }).type === "null";
}

function messageOf({ keyword, params, message }: Finding): string {
  const { allowedValue, allowedValues } = params as {
    readonly allowedValue?: unknown;
    readonly allowedValues?: unknown;
  };
  if (keyword === "const") return `must be ${JSON.stringify(allowedValue)}`;
  if (keyword === "enum" && Array.isArray(allowedValues)) return `must be one of ${allowedValues.join(", ")}`;
  return message;
}

/** `/networks/0` is `networks[0]`; the whole is named by its part. */
function nameOf(instancePath: string, part: RequestPart, member?: string): string {
  const steps = instancePath.split("/").slice(1);
  if (member !== undefined) steps.push(member);
  if (steps.length === 0) return part === "body" ? "the body" : `the ${part}`;
  const name = steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`)).join("");
  return bounded(name.replace(/^\./, ""));
}

function bounded(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
