import type { Call, Parameter, Schema } from "./api-description.ts";
import { curlLine, type FilledCall, prepare, valueKey } from "./call-request.ts";
import { element } from "./elements.ts";
import { exampleOf, typeText } from "./schema-text.ts";

/** Sends a request with the credential that the page holds. */
export type Send = (request: ReturnType<typeof prepare>) => Promise<Response>;

const SHOWN_HEADERS = ["content-type", "etag", "location", "retry-after", "allow"];
const MAX_DEPTH = 4;

/** One call: a form to fill, the line for a shell, and what was answered. */
export class CallView {
  readonly root: HTMLElement = element("div");
  readonly #call: Call;
  readonly #send: Send;
  readonly #inputs = new Map<string, HTMLInputElement | HTMLSelectElement>();
  readonly #body: HTMLTextAreaElement | undefined;
  readonly #curl = element("pre", { id: "curl" });
  readonly #button = element("button", { type: "submit" }, "Send");
  readonly #answer = element("section", { "aria-live": "polite", hidden: true, id: "answer" });

  constructor(call: Call, send: Send) {
    this.#call = call;
    this.#send = send;
    this.#body = call.body && bodyInput(call.body);
    const form = element("form", { autocomplete: "off", novalidate: true });
    form.append(...this.#fields(), this.#actions());
    form.addEventListener("input", () => this.#showCurl());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.root.append(...heading(call), form, this.#answer, this.#curlSection(), answersSection(call));
    this.#showCurl();
  }

  #fields(): HTMLElement[] {
    const { parameters, body } = this.#call;
    const sections: HTMLElement[] = [];
    if (parameters.length > 0) {
      const fields = parameters.map((parameter) => this.#field(parameter));
      sections.push(element("section", {}, element("h2", {}, "Parameters"), ...fields));
    }
    if (body && this.#body) {
      const title = body.contentType === "application/json" ? "Body" : "Body, as it is";
      const section = element("section", {}, element("h2", {}, title), this.#body);
      if (body.schema.properties) {
        const members = element("details", {}, element("summary", {}, "What it may say"));
        members.append(memberList(body.schema, 0));
        section.append(members);
      }
      sections.push(section);
    }
    return sections;
  }

  #field(parameter: Parameter): HTMLElement {
    const { name, in: place, required = false, description } = parameter;
    const id = `${place}-${name}`;
    const input = parameterInput(parameter, id);
    this.#inputs.set(valueKey(place, name), input);
    const label = element("label", { for: id }, name);
    if (required) label.append(element("em", { title: "must be given" }, " *"));
    const field = element("div", { class: "field" }, label, input);
    const words = [place === "header" ? "header" : "", description ?? ""].filter((word) => word !== "");
    if (words.length > 0) field.append(element("small", {}, words.join(": ")));
    return field;
  }

  #actions(): HTMLElement {
    return element("div", { class: "actions" }, this.#button);
  }

  #curlSection(): HTMLElement {
    const copy = element("button", { type: "button", class: "plain" }, "Copy");
    copy.addEventListener("click", () => {
      void navigator.clipboard.writeText(this.#curl.textContent ?? "").then(() => {
        copy.textContent = "Copied";
      });
    });
    const head = element("div", { class: "with-button" }, element("h2", {}, "The same with curl"), copy);
    return element("section", {}, head, this.#curl);
  }

  #filled(): FilledCall {
    const values = new Map([...this.#inputs].map(([key, input]) => [key, input.value]));
    return { call: this.#call, values, body: this.#body?.value ?? "" };
  }

  #showCurl(): void {
    this.#curl.textContent = curlLine(prepare(this.#filled()), location.origin);
  }

  async #submit(): Promise<void> {
    this.#button.disabled = true;
    const beganAtMs = performance.now();
    try {
      const response = await this.#send(prepare(this.#filled()));
      const text = await response.text();
      this.#showAnswer(response, text, performance.now() - beganAtMs);
    } catch (error) {
      this.#answer.replaceChildren(
        element("h2", {}, "Answer"),
        element("p", { class: "status bad" }, `The broker cannot be reached: ${String(error)}`),
      );
    }
    this.#button.disabled = false;
    this.#answer.hidden = false;
    this.#answer.scrollIntoView({ block: "start", behavior: "smooth" });
  }

  #showAnswer(response: Response, text: string, tookMs: number): void {
    const kind = response.ok ? "good" : "bad";
    const status = element(
      "span",
      { class: `status ${kind}`, id: "status" },
      `${response.status} ${response.statusText}`,
    );
    const title = element("div", { class: "with-button" }, element("h2", {}, "Answer"));
    title.append(element("span", {}, status, ` in ${Math.max(1, Math.round(tookMs))} ms`));
    const headers = SHOWN_HEADERS.filter((name) => response.headers.has(name)).map((name) =>
      element("div", {}, `${name}: ${response.headers.get(name)}`),
    );
    this.#answer.replaceChildren(title, element("div", { class: "answer-head" }, ...headers));
    this.#answer.append(element("pre", { id: "answer-body" }, text === "" ? "(no body)" : pretty(text)));
  }
}

function heading({ summary, method, path }: Call): HTMLElement[] {
  const address = element("div", { class: "address" }, methodChip(method), element("span", {}, path));
  return [element("h1", {}, summary), address];
}

export function methodChip(method: string): HTMLElement {
  return element("span", { class: `method ${method.toLowerCase()}` }, method);
}

function bodyInput({ schema, contentType }: NonNullable<Call["body"]>): HTMLTextAreaElement {
  const area = element("textarea", { spellcheck: "false", "aria-label": "Body", id: "body" });
  const example = exampleOf(schema);
  area.value = contentType === "application/json" ? JSON.stringify(example, null, 2) : String(example);
  area.rows = Math.min(24, Math.max(5, area.value.split("\n").length + 1));
  return area;
}

function parameterInput(
  { schema, required = false }: Parameter,
  id: string,
): HTMLInputElement | HTMLSelectElement {
  const choices = schema.enum ?? (schema.type === "boolean" ? [true, false] : undefined);
  if (!choices) {
    const placeholder = schema.default === undefined ? placeholderOf(schema) : JSON.stringify(schema.default);
    return element("input", { id, placeholder, required, spellcheck: "false" });
  }
  const select = element("select", { id, required });
  select.append(element("option", { value: "" }, ""));
  for (const choice of choices) select.append(element("option", { value: String(choice) }, String(choice)));
  return select;
}

/** Texts need no word about their type. */
function placeholderOf(schema: Schema): string {
  const type = typeText(schema);
  return type === "string" ? "" : type;
}

function memberList({ properties = {}, required = [] }: Schema, depth: number): HTMLElement {
  const list = element("dl", { class: "members" });
  for (const [name, schema] of Object.entries(properties)) {
    const must = required.includes(name) ? ", must be given" : "";
    list.append(element("dt", {}, name, " ", element("i", {}, typeText(schema) + must)));
    const text = element("dd", {}, schema.description ?? "");
    const inner = innerObject(schema);
    if (inner && depth < MAX_DEPTH) text.append(memberList(inner, depth + 1));
    list.append(text);
  }
  return list;
}

/** What has members of its own: an object, or the objects of a list. */
function innerObject(schema: Schema): Schema | undefined {
  const inner = schema.items && !Array.isArray(schema.items) ? (schema.items as Schema) : schema;
  const object = inner.anyOf?.find(({ properties }) => properties) ?? inner;
  return object.properties ? object : undefined;
}

function answersSection({ answers }: Call): HTMLElement {
  const table = element("table");
  for (const { status, description } of answers)
    table.append(element("tr", {}, element("td", {}, status), element("td", {}, ...withCode(description))));
  return element("section", {}, element("h2", {}, "What may be answered"), table);
}

/** Texts between backquotes are code. */
function withCode(text: string): (Node | string)[] {
  return text.split("`").map((part, i) => (i % 2 === 1 ? element("code", {}, part) : part));
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
