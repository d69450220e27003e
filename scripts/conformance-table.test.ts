import { expect, test } from "vitest";
import { conformanceTable } from "./conformance-table.mjs";

type Sources = Parameters<typeof conformanceTable>[0];
type Result = Parameters<typeof conformanceTable>[1][number];

const sources: Sources = {
  statements: [
    { id: "3.1.0-1", who: "V", says: "the first packet is CONNECT" },
    { id: "3.1.0-2", who: "S", says: "a second CONNECT: close" },
    { id: "3.1.2-20", who: "C", says: "client pings when idle" },
  ],
  untested: { "3.1.0-2": "nobody sends two" },
  deviations: [],
  vectorDeviations: {},
};

function result(title: string, state = "passed", file = "packages/server/src/connect.test.ts"): Result {
  return { file, suite: "3.1 CONNECT", title, state };
}

const cited = result("PUBLISH first closes [MQTT-3.1.0-1]");

function rowOf(id: string, results: readonly Result[], changed: Partial<Sources> = {}): string | undefined {
  const { markdown } = conformanceTable({ ...sources, ...changed }, [...results]);
  return markdown.split("\n").find((line) => line.startsWith(`| ${id} |`));
}

test("a tested statement has its tests, by file and suite, and what came of them", () => {
  expect(rowOf("3.1.0-1", [cited, result("PINGREQ does too [MQTT-3.1.0-1]")])).toBe(
    "| 3.1.0-1 | client, met | the first packet is CONNECT | [connect.test.ts](../packages/server/src/connect.test.ts): " +
      "*3.1 CONNECT*: PUBLISH first closes; PINGREQ does too | passes |",
  );
});

test.each([
  ["failed", "| **fails** |"],
  ["skipped", "| **skipped** |"],
])("where a test has %s, the statement is not said to pass", (state, cell) => {
  expect(rowOf("3.1.0-1", [cited, { ...cited, state }])).toContain(cell);
});

test("without a test stand the reason, or that the client alone is concerned", () => {
  expect(rowOf("3.1.0-2", [cited])).toContain("| nobody sends two |");
  expect(rowOf("3.1.2-20", [cited])).toContain("| client only |");
});

test("the text does not depend on which file was done first", () => {
  const other = { ...cited, file: "packages/protocol/src/decoder.test.ts" };
  const texts = [
    [cited, other],
    [other, cited],
  ].map((results) => conformanceTable(sources, results).markdown);
  expect(texts[0]).toBe(texts[1]);
});

test.each<[string, Partial<Sources>, Result[], string]>([
  ["a server's statement without test and reason", { untested: {} }, [cited], "3.1.0-2 (a second CONNECT"],
  [
    "a reason that a test has overtaken",
    {},
    [cited, result("[MQTT-3.1.0-2]")],
    "untested.json excuses 3.1.0-2",
  ],
  [
    "a citation of no statement",
    {},
    [cited, result("[MQTT-3.1.0-7]")],
    "cites 3.1.0-7, which is no statement",
  ],
  [
    "a citation that cannot be read",
    {},
    [cited, result("[MQTT-3.1.0-1 2]")],
    "[MQTT-3.1.0-1 2] cannot be read",
  ],
  [
    "a deviation from no statement",
    { deviations: [{ statements: ["9.9.9-9"], does: "", because: "" }] },
    [cited],
    "deviations.json names 9.9.9-9",
  ],
])("%s is a problem", (_, changed, results, problem) => {
  const { problems } = conformanceTable({ ...sources, ...changed }, results);
  expect(problems).toEqual([expect.stringContaining(problem)]);
});

test("what would break a table, or cannot be seen, is shown as text", () => {
  expect(rowOf("3.1.0-1", [result("a|b *c* \u0000\ud800 [MQTT-3.1.0-1]")])).toContain(
    String.raw`a\|b \*c\* U+0000U+D800`,
  );
});
