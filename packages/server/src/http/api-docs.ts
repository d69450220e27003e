import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import type { Pages } from "./pages.ts";

/** Where the page is, for people: `/` leads there, too. */
export const API_DOCS_PATH = "/api/docs";

const folder = new URL("../../pages/api-docs/", import.meta.url);
const SCRIPTS = ["api-description", "call-request", "call-view", "elements", "main", "schema-text"];

/** Nothing but what this server sends, and calls to nobody else: the page holds a credential. */
const STRICT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";

/** The page to try REST at. Types are stripped as Node does it, when somebody first asks, so that it needs no build. */
export function addApiDocs(pages: Pages): void {
  const add = (path: string, contentType: string, body: () => string): void =>
    pages.add(path, contentType, body, STRICT_POLICY);
  for (const path of [API_DOCS_PATH, `${API_DOCS_PATH}/`])
    add(path, "text/html; charset=utf-8", () => read("index.html"));
  add(`${API_DOCS_PATH}/style.css`, "text/css; charset=utf-8", () => read("style.css"));
  add(`${API_DOCS_PATH}/icon.svg`, "image/svg+xml", () => read("icon.svg"));
  for (const name of SCRIPTS) {
    const body = (): string => stripTypeScriptTypes(read(`${name}.ts`));
    add(`${API_DOCS_PATH}/${name}.ts`, "text/javascript; charset=utf-8", body);
  }
}

function read(name: string): string {
  return readFileSync(new URL(name, folder), "utf8");
}
