import type { Grant } from "./bus-feed.ts";

const KEPT = 4;

/** The answers of the broker to what was asked for, newest first; the page's own request stays on top. */
export class GrantList {
  readonly #list: HTMLElement;

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  add(grant: Grant): void {
    const item = document.createElement("li");
    item.dataset["filter"] = grant.filter;
    item.append(row("asked for", code(grant.filter)), answer(grant));
    for (const same of this.#list.querySelectorAll("li"))
      if (same.dataset["filter"] === grant.filter) same.remove();
    const first = this.#list.firstElementChild;
    if (grant.filter === "#" || !first) this.#list.prepend(item);
    else first.after(item);
    while (this.#list.children.length > KEPT) this.#list.lastElementChild?.remove();
  }
}

function answer(grant: Grant): HTMLElement {
  if (grant.kind === "refused") {
    const words = document.createElement("span");
    words.className = "refused";
    words.textContent = `refused, 0x${grant.code.toString(16).toUpperCase()}${grant.code === 0x87 ? ": not authorized" : ""}`;
    return row("got", words);
  }
  const effective = grant.effective.length === 0 ? [grant.filter] : grant.effective;
  const given = document.createElement("span");
  given.className = "given";
  for (const [i, filter] of effective.entries()) given.append(...(i > 0 ? [", "] : []), code(filter));
  if (grant.more > 0) given.append(` and ${grant.more} more`);
  return row("got", given);
}

function row(label: string, content: HTMLElement): HTMLElement {
  const element = document.createElement("div");
  element.className = "row";
  const name = document.createElement("span");
  name.textContent = label;
  element.append(name, content);
  return element;
}

function code(text: string): HTMLElement {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}
