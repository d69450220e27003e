import { type Call, type CallGroup, loadCallGroups } from "./api-description.ts";
import type { PreparedRequest } from "./call-request.ts";
import { CallView, methodChip } from "./call-view.ts";
import { byId, element } from "./elements.ts";

const DESCRIPTION_URL = "/api/v1/openapi.json";
const SELF_URL = "/api/v1/tokens/self";

const tokenInput = byId("token") as HTMLInputElement;
const holder = byId("holder");
const search = byId("search") as HTMLInputElement;
const list = byId("calls");
const main = byId("call");

/** Headers are bytes, and `fetch` takes each character for one. */
function headerText(text: string): string {
  return encodeURIComponent(text).replace(/%../g, (byte) =>
    String.fromCharCode(Number.parseInt(byte.slice(1), 16)),
  );
}

function send({ method, url, headers, body }: PreparedRequest): Promise<Response> {
  const token = tokenInput.value.trim();
  return fetch(url, {
    method,
    headers: { ...headers, ...(token !== "" && { authorization: `Bearer ${headerText(token)}` }) },
    ...(body !== undefined && { body }),
    cache: "no-store",
    credentials: "omit",
  });
}

async function tellHolder(): Promise<void> {
  const token = tokenInput.value.trim();
  holder.className = "";
  holder.textContent = "kept in this page's memory only";
  if (token === "") return;
  const response = await send({ method: "GET", url: SELF_URL, headers: {}, body: undefined });
  if (tokenInput.value.trim() !== token) return;
  const isKnown = response.ok || response.status === 404; // a JWT is no token that could be read
  holder.className = isKnown ? "good" : "bad";
  if (!response.ok) holder.textContent = isKnown ? "a valid JWT" : "not a valid credential";
  else {
    const { name, subject, tenant } = (await response.json()) as Record<string, string>;
    holder.textContent = `${name || subject} in ${tenant}`;
  }
}

function showList(groups: readonly CallGroup[]): void {
  const wanted = search.value.toLowerCase().split(/\s+/);
  const isWanted = ({ method, path, summary }: Call): boolean =>
    wanted.every((word) => `${method} ${path} ${summary}`.toLowerCase().includes(word));
  list.replaceChildren();
  for (const { tag, description, calls } of groups) {
    const shown = calls.filter(isWanted);
    if (shown.length === 0) continue;
    list.append(element("h2", {}, tag, element("span", {}, description)));
    for (const call of shown) list.append(link(call));
  }
  if (list.childElementCount === 0) list.append(element("p", { class: "quiet" }, "No call has these words."));
}

function link({ id, method, path, summary }: Call): HTMLElement {
  const made = element("a", { href: `#${id}`, title: summary }, methodChip(method));
  made.append(element("span", {}, path.replace("/api/v1", "")));
  if (location.hash === `#${id}`) made.setAttribute("aria-current", "true");
  return made;
}

function showCall(calls: readonly Call[]): void {
  const call = calls.find(({ id }) => location.hash === `#${id}`) ?? calls[0];
  if (!call) return;
  document.title = `${call.method} ${call.path.replace("/api/v1", "")} · Weir REST API`;
  main.replaceChildren(new CallView(call, send).root);
}

try {
  const groups = await loadCallGroups(DESCRIPTION_URL);
  const calls = groups.flatMap((group) => group.calls);
  search.addEventListener("input", () => showList(groups));
  addEventListener("hashchange", () => {
    showList(groups);
    showCall(calls);
    main.focus({ preventScroll: true });
    main.scrollIntoView({ block: "start" });
  });
  showList(groups);
  showCall(calls);
} catch (error) {
  main.replaceChildren(
    element("p", { class: "status bad" }, `The description cannot be read: ${String(error)}`),
  );
}
byId("credential").addEventListener("submit", (event) => event.preventDefault());
tokenInput.addEventListener("change", () => void tellHolder());
