import { readFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import type { Roads } from "./roads.ts";

export interface PageFile {
  readonly body: string | Buffer;
  readonly contentType: string;
}

const folder = new URL("../../demo/page/", import.meta.url);
const SCRIPTS = [
  "bus-feed",
  "bus-list",
  "bus-marker",
  "bus-report",
  "grant-list",
  "main",
  "map-gestures",
  "message-rate",
  "projection",
  "route-map",
  "svg",
];

/**
 * The files of the demonstration's page by name, ready to be served. Types are stripped as Node does it, so that the
 * page needs no build; MQTT.js is the bundle that its package brings, loaded when the page connects.
 */
export function loadDemoPages(roads: Roads): ReadonlyMap<string, PageFile> {
  const read = (name: string): string => readFileSync(new URL(name, folder), "utf8");
  const files = new Map<string, PageFile>([
    ["", { body: read("index.html"), contentType: "text/html; charset=utf-8" }],
    ["demo.css", { body: read("demo.css"), contentType: "text/css; charset=utf-8" }],
    ["icon.svg", { body: read("icon.svg"), contentType: "image/svg+xml" }],
    ["roads.json", { body: JSON.stringify(roads), contentType: "application/json" }],
    ["mqtt.js", { body: readMqttBundle(), contentType: "text/javascript; charset=utf-8" }],
  ]);
  for (const name of SCRIPTS) {
    const body = stripTypeScriptTypes(read(`${name}.ts`)).replace('import("mqtt")', 'import("./mqtt.js")');
    files.set(`${name}.ts`, { body, contentType: "text/javascript; charset=utf-8" });
  }
  return files;
}

function readMqttBundle(): Buffer {
  return readFileSync(createRequire(import.meta.url).resolve("mqtt/dist/mqtt.esm"));
}
