// Plants a violation of every boundary rule in a copy of the workspace, and what is allowed beside it, and proves that
// the linter and the compiler tell one from the other.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkoutPath } from "./checkout.mjs";
import { type Finding, PlantedWorkspace } from "./planted-workspace.ts";

const SERVER = "packages/server/src";
const CORE_ORDER = ["ports", "objects", "topics", "access", "retained", "history", "routing", "session"];
const ADAPTERS = ["transports", "auth", "engine", "telemetry", "clock", "connection"];
const FOLDERS = [...ADAPTERS, "config", "admin", "gateway", "http", "wiring"];

/** What an adapter sees of the core beyond its ports: connection runs it, auth makes its principals. */
const VISIBLE_CORE: Readonly<Record<string, readonly string[]>> = {
  connection: CORE_ORDER,
  auth: ["ports", "objects", "access"],
};

interface Plant {
  readonly folder: string;
  readonly specifier: string;
  /** Part of the message that must appear, or undefined where the import is allowed. */
  readonly refusedBecause?: string;
}

const refused = (folder: string, specifiers: readonly string[], refusedBecause: string): Plant[] =>
  specifiers.map((specifier) => ({ folder, specifier, refusedBecause }));
const allowed = (folder: string, specifiers: readonly string[]): Plant[] =>
  specifiers.map((specifier) => ({ folder, specifier }));
const inFolder = (folders: readonly string[], up = "../"): string[] =>
  folders.map((folder) => `${up}${folder}/planted.ts`);

const plants: readonly Plant[] = [
  ...refused(
    "packages/protocol/src",
    ["node:fs", "typebox", "@weir/api", "@weir/server"],
    "protocol imports nothing",
  ),
  ...refused("packages/protocol/src", ["../../api/elsewhere.ts"], "protocol imports nothing but itself"),
  ...allowed("packages/protocol/src", ["./packets/connect.ts", "../reader.ts"]),

  ...refused(
    "packages/api/src",
    ["node:http", "@weir/protocol", "@weir/server"],
    "api is the REST contract, for browsers",
  ),
  ...refused(
    "packages/api/src",
    ["../../server/elsewhere.ts"],
    "api is the REST contract: it knows no other",
  ),
  ...allowed("packages/api/src", ["typebox", "./token.ts"]),

  ...refused("packages/cli/src", ["@weir/testkit"], "Only tests import the testkit"),
  ...allowed("packages/cli/src", ["node:fs", "commander", "@weir/api", "@weir/server", "./main.ts"]),
  ...refused(`${SERVER}/other`, ["@weir/testkit"], "Only tests import the testkit"),

  ...CORE_ORDER.flatMap(corePlants),
  ...ADAPTERS.flatMap(adapterPlants),
  ...refused(
    `${SERVER}/engine/memory`,
    ["../embedded/planted.ts", "../nats/planted.ts"],
    "The engines do not know",
  ),
  ...allowed(`${SERVER}/engine/memory`, [
    "../../core/ports/engine.ts",
    "./memory-log.ts",
    "../record.ts",
    "lmdb",
  ]),
  ...refused(`${SERVER}/engine/memory`, ["../../auth/planted.ts"], "Adapters do not know each other"),

  ...["admin", "gateway"].flatMap(useCasePlants),
  ...refused(
    `${SERVER}/http`,
    inFolder(["core/ports", "core/session", ...ADAPTERS, "config"]),
    "http sees admin",
  ),
  ...refused(`${SERVER}/http`, ["../broker.ts", "../main.ts"], "http sees admin"),
  ...refused(`${SERVER}/http`, ["@weir/protocol", "@weir/server"], "http parses, calls admin or gateway"),
  ...allowed(`${SERVER}/http`, [...inFolder(["admin", "gateway"]), "@weir/api", "fastify", "node:http"]),

  ...refused(`${SERVER}/config`, inFolder([...ADAPTERS, "admin", "gateway", "http"]), "config turns files"),
  ...refused(`${SERVER}/config`, ["../broker.ts"], "config turns files"),
  ...refused(`${SERVER}/config`, ["@weir/api"], "config turns files and variables into a value: it knows"),
  ...allowed(`${SERVER}/config`, ["../core/access/planted.ts", "yaml", "node:fs"]),

  ...allowed(SERVER, [
    ...inFolder(FOLDERS, "./"),
    "./core/session/planted.ts",
    "@weir/api",
    "@weir/protocol",
  ]),
];

function corePlants(name: string, place: number): Plant[] {
  const folder = `${SERVER}/core/${name}`;
  return [
    ...refused(folder, inFolder(CORE_ORDER.slice(place + 1)), `core/${name} stands before`),
    ...allowed(folder, inFolder(CORE_ORDER.slice(0, place))),
    ...allowed(folder, ["./planted.ts", "@weir/protocol"]),
    ...refused(
      folder,
      ["node:fs", "fs", "ws", "@fastify/swagger", "@weir/api", "@weir/server"],
      "core is pure: it imports",
    ),
    ...refused(folder, inFolder(FOLDERS, "../../"), "core imports only inwards"),
    ...refused(folder, ["../../broker.ts", "../../main.ts", "../../index.ts"], "core imports only inwards"),
  ];
}

function adapterPlants(name: string): Plant[] {
  const folder = `${SERVER}/${name}`;
  const inCore = (parts: readonly string[]): string[] => inFolder(parts.map((part) => `core/${part}`));
  const visible = VISIBLE_CORE[name] ?? ["ports"];
  const hidden = CORE_ORDER.filter((part) => !visible.includes(part));
  return [
    ...refused(
      folder,
      inFolder(FOLDERS.filter((other) => other !== name)),
      "Adapters do not know each other",
    ),
    ...refused(folder, ["../broker.ts", "../main.ts", "../index.ts"], "Adapters do not know each other"),
    ...refused(folder, ["@weir/api", "@weir/server"], "An adapter knows the core's ports"),
    ...refused(folder, inCore(hidden), "nothing else of the core"),
    ...allowed(folder, inCore(visible)),
    ...allowed(folder, ["@weir/protocol", "node:net", "ws", "./planted.ts"]),
  ];
}

function useCasePlants(name: string): Plant[] {
  const folder = `${SERVER}/${name}`;
  return [
    ...refused(
      folder,
      inFolder(FOLDERS.filter((other) => other !== name)),
      `${name} sees the core and its ports`,
    ),
    ...refused(folder, ["../broker.ts", "../main.ts"], `${name} sees the core and its ports`),
    ...refused(folder, ["@weir/api", "@weir/server"], `${name} holds use cases`),
    ...allowed(folder, [
      "../core/ports/planted.ts",
      "../core/access/planted.ts",
      "@weir/protocol",
      "node:crypto",
    ]),
  ];
}

/** Every rule list also refuses ways around it; planted wherever anything else is. */
const waysAround = (folder: string): Plant[] => [
  ...refused(
    folder,
    ["./../planted.ts", "../x/../planted.ts", "../../../src/planted.ts", "/planted.ts"],
    "Write the path straight",
  ),
  ...(folder === "packages/protocol/src" || folder === "packages/api/src"
    ? []
    : refused(
        folder,
        ["../../../testkit/src/index.ts", "../../../../packages/api/src/token.ts"],
        "Import a package by its name",
      )),
];

const folders = [...new Set(plants.map(({ folder }) => folder))];
const everyPlant = [...plants, ...folders.flatMap(waysAround)];
const plantsOf = (folder: string): Plant[] => everyPlant.filter((plant) => plant.folder === folder);

/** broker.ts sees everything; each other folder's plants stand in a file of its own. */
const fileOf = (folder: string): string => `${folder}/${folder === SERVER ? "broker" : "planted"}.ts`;

/** Every form of import, and what makes a pure package impure, in the two places that must be pure. */
const pureFolders = ["packages/protocol/src/pure", `${SERVER}/core/session/pure`];
const everyForm: readonly (readonly [form: string, rule: string, source: string])[] = [
  ["import", "no-restricted-imports", `import { x } from "node:fs"; export const y = x;`],
  ["import type", "no-restricted-imports", `import type { X } from "node:fs"; export type Y = X;`],
  ["export from", "no-restricted-imports", `export { x } from "node:fs";`],
  ["export everything", "no-restricted-imports", `export * from "node:fs";`],
  ["import()", "no-restricted-imports", `export const x = await import("node:fs");`],
  ["import() as a type", "consistent-type-imports", `export type X = import("node:fs").Stats;`],
  ["the clock", "no-restricted-globals", `export const now = Date.now();`],
  ["randomness", "no-restricted-properties", `export const dice = Math.random();`],
];
const asyncMistakes: readonly (readonly [rule: string, source: string])[] = [
  ["no-floating-promises", `export const f = (): void => { g(); };\nasync function g(): Promise<void> {}`],
  [
    "no-misused-promises",
    `export const f = (a: number[]): void => a.forEach(async (n) => { await Promise.resolve(n); });`,
  ],
  ["await-thenable", `export const f = async (): Promise<number> => await 1;`],
  [
    "switch-exhaustiveness-check",
    `export function f(x: "a" | "b"): void { switch (x) { case "a": f("b"); } }`,
  ],
  ["no-unsafe-return", `export const f = (text: string): number => JSON.parse(text);`],
];

describe("the linter", () => {
  const workspace = new PlantedWorkspace();
  let findings: readonly Finding[] = [];
  let fileCount = 0;
  let plantedCount = 0;

  beforeAll(() => {
    for (const [file, lines] of plantedFiles()) {
      workspace.plant(file, lines);
      plantedCount += 1;
    }
    ({ fileCount, findings } = workspace.lint());
  });
  afterAll(() => workspace.remove());

  const findingsIn = (file: string): readonly Finding[] =>
    findings.filter((finding) => finding.file === file);
  const rulesIn = (file: string): string[] =>
    findingsIn(file).map(({ rule }) => rule.replaceAll(/^.*\(|\)$/g, ""));
  const refusals = (file: string, line: number): string[] =>
    findingsIn(file)
      .filter((finding) => finding.line === line && finding.rule.includes("restricted"))
      .map(({ message }) => message);

  test("saw every planted file", () => {
    expect(plantedCount).toBeGreaterThan(0);
    expect(fileCount).toBe(plantedCount);
  });

  test.each(folders)("refuses imports in %s with the reason, or lets them through", (folder) => {
    const results = plantsOf(folder).map(({ specifier, refusedBecause }, index) => {
      const messages = refusals(fileOf(folder), index + 1);
      const isRight = refusedBecause
        ? messages.some((message) => message.includes(refusedBecause))
        : messages.length === 0;
      return { specifier, expected: refusedBecause ?? "allowed", messages, isRight };
    });
    expect(results.filter(({ isRight }) => !isRight)).toEqual([]);
  });

  describe.each(pureFolders)("in %s", (folder) => {
    test.each(everyForm.map(([form, rule], index) => ({ form, rule, index })))(
      "refuses $form",
      ({ rule, index }) => {
        expect(rulesIn(`${folder}-${index}.ts`)).toContain(rule);
      },
    );
  });

  test.each(asyncMistakes.map(([rule], index) => ({ rule, index })))(
    "knows types: $rule",
    ({ rule, index }) => {
      expect(rulesIn(`${SERVER}/admin/mistake-${index}.ts`)).toContain(rule);
    },
  );

  test("lets only main.ts read the environment", () => {
    expect(rulesIn(`${SERVER}/admin/environment.ts`)).toContain("no-restricted-properties");
    expect(rulesIn(`${SERVER}/main.ts`)).toEqual([]);
  });

  test("lets tests import the testkit and everything else", () => {
    expect(rulesIn(`${SERVER}/admin/planted.test.ts`)).toEqual([]);
  });

  test("has no message that no plant provokes", () => {
    const isProvoked = (configured: string): boolean =>
      findings.some(({ message }) => message.includes(configured));
    expect(configuredMessages().filter((message) => !isProvoked(message))).toEqual([]);
  });

  test("has a place for every folder of the server and of its core", () => {
    expect([...FOLDERS, "core"]).toEqual(expect.arrayContaining(foldersIn(SERVER)));
    expect(CORE_ORDER).toEqual(expect.arrayContaining(foldersIn(`${SERVER}/core`)));
  });
});

function* plantedFiles(): Generator<[file: string, lines: readonly string[]]> {
  for (const folder of folders)
    yield [fileOf(folder), plantsOf(folder).map(({ specifier }) => `import "${specifier}";`)];
  for (const folder of pureFolders) {
    for (const [index, [, , source]] of everyForm.entries()) yield [`${folder}-${index}.ts`, [source]];
  }
  for (const [index, [, source]] of asyncMistakes.entries())
    yield [`${SERVER}/admin/mistake-${index}.ts`, [source]];
  yield [`${SERVER}/admin/environment.ts`, ["export const home = process.env;"]];
  yield [`${SERVER}/main.ts`, ["export const home = process.env;"]];
  yield [`${SERVER}/admin/planted.test.ts`, [`import "@weir/testkit";`, `import "../http/planted.ts";`]];
}

/** The folders that hold more than tests; those see everything anyway. */
function foldersIn(path: string): string[] {
  const sources = globSync("*/**/*.ts", {
    cwd: join(checkoutPath, path),
    exclude: ["**/*.test.ts", "**/*-contract.ts"],
  });
  return [...new Set(sources.map((source) => source.split("/")[0] ?? ""))];
}

/** Read as text, because the configuration carries comments. */
function configuredMessages(): readonly string[] {
  const text = readFileSync(join(checkoutPath, ".oxlintrc.json"), "utf8");
  const quoted = text.matchAll(/"message": ("(?:[^"\\]|\\.)*")/g);
  const messages = [...quoted].map(([, message = '""']) => String(JSON.parse(message)));
  expect(messages.length).toBeGreaterThan(0);
  return [...new Set(messages)];
}

describe("the compiler", () => {
  const nodeThings: readonly (readonly [what: string, source: string])[] = [
    [
      "node:fs",
      `import { readFileSync } from "node:fs";\nexport const text: string = readFileSync("x", "utf8");`,
    ],
    ["Buffer", `export const empty: Uint8Array = Buffer.alloc(0);`],
    ["setTimeout", `setTimeout(() => {}, 1);\nexport const x = 1;`],
    ["process", `export const pid: number = process.pid;`],
    ["console", `console.log("x");\nexport const x = 1;`],
    ["performance", `export const now: number = performance.now();`],
  ];
  const pureProjects = [
    { project: `${SERVER}/core`, folder: `${SERVER}/core` },
    { project: "packages/protocol", folder: "packages/protocol/src" },
    { project: "packages/api", folder: "packages/api/src" },
  ];

  test.each(pureProjects)("refuses Node in $project, and only that", ({ project, folder }) => {
    const workspace = new PlantedWorkspace();
    try {
      workspace.plant(`${folder}/clean.ts`, ["export const clean: Promise<number> = Promise.resolve(1);"]);
      expect(workspace.compile(project)).toBe("");
      nodeThings.forEach(([, source], index) => workspace.plant(`${folder}/node-${index}.ts`, [source]));
      const said = workspace.compile(project);
      nodeThings.forEach(([what], index) => expect(said, what).toContain(`node-${index}.ts`));
      expect(said).not.toContain("clean.ts");
    } finally {
      workspace.remove();
    }
  });

  test("refuses an import from core into the rest of the server", () => {
    const workspace = new PlantedWorkspace();
    try {
      workspace.plant(`${SERVER}/engine/planted.ts`, ["export const x = 1;"]);
      workspace.plant(`${SERVER}/core/session/planted.ts`, [`export { x } from "../../engine/planted.ts";`]);
      expect(workspace.compile(`${SERVER}/core`)).toContain("core/session/planted.ts");
    } finally {
      workspace.remove();
    }
  });

  test("accepts the same things where Node is allowed", () => {
    const workspace = new PlantedWorkspace();
    try {
      nodeThings.forEach(([, source], index) =>
        workspace.plant(`packages/cli/src/node-${index}.ts`, [source]),
      );
      expect(workspace.compile("packages/cli")).toBe("");
    } finally {
      workspace.remove();
    }
  });
});
