/** What is used of JSON Schema. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema | readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly additionalProperties?: boolean | Schema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly description?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

/** One call, as the page shows it. */
export interface Call {
  readonly id: string;
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  readonly body: { readonly contentType: string; readonly schema: Schema } | undefined;
  readonly answers: readonly { readonly status: string; readonly description: string }[];
}

export interface CallGroup {
  readonly tag: string;
  readonly description: string;
  readonly calls: readonly Call[];
}

interface OpenApi {
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

/** Reads the broker's description of its calls, by tag in the order of the description. */
export async function loadCallGroups(url: string): Promise<readonly CallGroup[]> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  const { tags, paths } = (await response.json()) as OpenApi;
  const calls = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => callOf(method, path, operation)),
  );
  return tags
    .map(({ name, description }) => ({
      tag: name,
      description,
      calls: calls.filter(({ tag }) => tag === name),
    }))
    .filter((group) => group.calls.length > 0);
}

function callOf(method: string, path: string, operation: Operation): Call {
  const { operationId, summary, tags, parameters = [], requestBody, responses } = operation;
  const [body] = Object.entries(requestBody?.content ?? {});
  return {
    id: operationId,
    method: method.toUpperCase(),
    path,
    tag: tags[0] ?? "",
    summary,
    parameters: [...parameters].sort((a, b) => Number(b.required ?? false) - Number(a.required ?? false)),
    body: body && { contentType: body[0], schema: body[1].schema },
    answers: Object.entries(responses).map(([status, { description }]) => ({ status, description })),
  };
}
