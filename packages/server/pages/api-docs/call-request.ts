import type { Call } from "./api-description.ts";

/** What the form holds. */
export interface FilledCall {
  readonly call: Call;
  /** By the parameter's place and name; empty texts are left out. */
  readonly values: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface PreparedRequest {
  readonly method: string;
  /** From the root. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export const valueKey = (place: string, name: string): string => `${place} ${name}`;

/** The request that a filled form stands for, without the credential. */
export function prepare({ call, values, body }: FilledCall): PreparedRequest {
  const valueOf = (place: string, name: string): string => values.get(valueKey(place, name)) ?? "";
  const path = call.path.replace(/\{([^}]+)\}/g, (_whole, name: string) =>
    encodeURIComponent(valueOf("path", name)).replaceAll("%2F", "/"),
  );
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  for (const { name, in: place } of call.parameters) {
    const value = valueOf(place, name);
    if (value === "") continue;
    if (place === "query") query.append(name, value);
    if (place === "header") headers[name] = value;
  }
  const hasBody = call.body !== undefined && body !== "";
  if (hasBody) headers["content-type"] = call.body?.contentType ?? "application/json";
  const search = query.size > 0 ? `?${query}` : "";
  return { method: call.method, url: path + search, headers, body: hasBody ? body : undefined };
}

/** The same as a line for a shell; the credential stays a variable, so that it is in no history. */
export function curlLine(request: PreparedRequest, origin: string): string {
  const { method, url, headers, body } = request;
  const words = ["curl"];
  if (method !== "GET") words.push("-X", method);
  words.push('-H "Authorization: Bearer $WEIR_TOKEN"');
  for (const [name, value] of Object.entries(headers)) words.push("-H", quoted(`${name}: ${value}`));
  if (body !== undefined) words.push("--data-binary", quoted(compact(body)));
  words.push(quoted(origin + url));
  return words.join(" ");
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function compact(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body));
  } catch {
    return body;
  }
}
