import { statementIdsIn, withoutCitations } from "./statement-ids.mjs";

/**
 * @typedef {{ id: string, who: string, says: string }} Statement who: S server, B both ends, V what servers meet as
 *   input, C client only
 * @typedef {{ file: string, suite: string, title: string, state: string }} TestResult
 * @typedef {{ statements: string[], does: string, because: string }} Deviation
 * @typedef {object} ConformanceSources
 * @property {Statement[]} statements
 * @property {Record<string, string>} untested why a statement has no test, by id
 * @property {Deviation[]} deviations
 * @property {Record<string, string[]>} vectorDeviations titles of mosquitto's vectors, by reason
 */

/** More tests of one file for one statement are counted, not named. */
const MAX_NAMED_TESTS = 4;

/**
 * The table of what the tests show, and what is wrong with it. The same results give the same text.
 * @param {ConformanceSources} sources
 * @param {TestResult[]} results in any order of files
 * @returns {{ markdown: string, problems: string[], statementCount: number, testCount: number }}
 */
export function conformanceTable(sources, results) {
  const cited = citationsOf(results);
  const problems = [...problemsOf(sources, cited), ...cited.problems];
  const markdown = [
    introduction(sources, cited),
    deviations(sources),
    REAL_CLIENTS,
    ...chapters(sources.statements).map((chapter) => chapterTable(chapter, sources, cited)),
    olderTable(cited),
  ].join("\n");
  return { markdown, problems, statementCount: sources.statements.length, testCount: cited.tests.size };
}

/**
 * The tests that cite statements, by what they cite.
 * @typedef {{ v5: Map<string, TestResult[]>, v311: Map<string, TestResult[]>, tests: Set<TestResult>, problems: string[] }} Citations
 */
function citationsOf(results) {
  /** @type {Citations} */
  const cited = { v5: new Map(), v311: new Map(), tests: new Set(), problems: [] };
  for (const result of results) {
    const { v5, v311, unreadable } = statementIdsIn(`${result.suite} ${result.title}`);
    for (const citation of unreadable)
      cited.problems.push(`${result.file}: ${citation} cannot be read (${result.title})`);
    for (const id of new Set(v5)) add(cited.v5, id, result);
    for (const id of new Set(v311)) add(cited.v311, id, result);
    if (v5.length + v311.length > 0) cited.tests.add(result);
  }
  return cited;
}

function add(map, id, result) {
  if (map.has(id)) map.get(id).push(result);
  else map.set(id, [result]);
}

function problemsOf({ statements, untested, deviations: declared }, cited) {
  const known = new Set(statements.map(({ id }) => id));
  const without = statements.filter(({ id, who }) => who !== "C" && !cited.v5.has(id));
  return [
    ...[...cited.v5]
      .filter(([id]) => !known.has(id))
      .map(([id, [{ file }]]) => `${file} cites ${id}, which is no statement of MQTT 5.0`),
    ...without
      .filter(({ id }) => !untested[id])
      .map(({ id, says }) => `${id} (${says}) has neither a test nor a reason in untested.json`),
    ...Object.keys(untested)
      .filter((id) => !without.some((statement) => statement.id === id))
      .map((id) => `untested.json excuses ${id}, which needs no excuse`),
    ...declared
      .flatMap((deviation) => deviation.statements)
      .filter((id) => !known.has(id))
      .map((id) => `deviations.json names ${id}, which is no statement of MQTT 5.0`),
  ];
}

function introduction({ statements }, cited) {
  const serverStatements = statements.filter(({ who }) => who !== "C");
  const tested = serverStatements.filter(({ id }) => cited.v5.has(id)).length;
  return `# Conformance

<!-- Made by \`npm run conformance\` from the results of the tests; \`npm run check\` fails where it is out of date. -->

Of the ${statements.length} statements of MQTT 5.0 (Appendix B), ${serverStatements.length} concern a server: ${tested} of them are shown by tests, ${serverStatements.length - tested} are
listed with the reason why not. ${cited.tests.size} tests cite statements, all over real sockets unless they are about the codec alone.
The words beside each id are ours; the standard's decide. Who: what the *server* or *both* ends have to do; what the
*client* has to do and the server *meets* as input, to be refused or survived; what concerns the *client* only.
`;
}

function deviations({ deviations: declared, vectorDeviations }) {
  const rows = declared.map(({ statements, does, because }) =>
    row([statements.map(cell).join(", "), cell(does), cell(because)]),
  );
  const reasons = Object.entries(vectorDeviations).map(([reason, titles]) =>
    row([cell(reason), titles.map((title) => cell(title)).join("<br>")]),
  );
  return `## Where Weir does otherwise

${row(["statements", "what Weir does", "why"])}
${row(["---", "---", "---"])}
${rows.join("\n")}

### Packet vectors

mosquitto's suite has 1,826 packet vectors. Weir passes all but these, which describe mosquitto's own habits:

${row(["reason", "vectors"])}
${row(["---", "---"])}
${reasons.join("\n")}
`;
}

const REAL_CLIENTS = `## Real clients

What applications do (tokens, all QoS, being cut off and coming back, wills, retained messages, shared subscriptions,
10 MB, the properties of 5.0) is tested with clients of others, each in the versions that it speaks:

| client | transports | tests |
| --- | --- | --- |
| MQTT.js | TCP, TLS, WebSocket, secure WebSocket | [mqtt-js.test.ts](../packages/server/src/real-clients/mqtt-js.test.ts) |
| mosquitto_pub, mosquitto_sub, mosquitto_rr (2.0.11, which have no WebSocket) | TCP, TLS | [mosquitto.test.ts](../packages/server/src/real-clients/mosquitto.test.ts) |
| Python's paho (1.6, which sends nothing large over WebSocket) | TCP, TLS, WebSocket | [paho.test.ts](../packages/server/src/real-clients/paho.test.ts) |
`;

/** @returns {{ name: string, statements: Statement[] }[]} */
function chapters(statements) {
  const byName = new Map();
  for (const statement of statements) add(byName, chapterOf(statement.id), statement);
  return [...byName].map(([name, members]) => ({ name, statements: members }));
}

/** Chapter 3 has a section for each packet, the others are short. */
function chapterOf(id) {
  const [chapter, section] = id.split(/[.-]/);
  return chapter === "3" || chapter === "4" ? `${chapter}.${section}` : chapter;
}

const CHAPTER_NAMES = {
  1: "Data representation",
  2: "Packet format",
  3.1: "CONNECT",
  3.2: "CONNACK",
  3.3: "PUBLISH",
  3.4: "PUBACK",
  3.5: "PUBREC",
  3.6: "PUBREL",
  3.7: "PUBCOMP",
  3.8: "SUBSCRIBE",
  3.9: "SUBACK",
  "3.10": "UNSUBSCRIBE",
  3.11: "UNSUBACK",
  3.12: "PINGREQ",
  3.14: "DISCONNECT",
  3.15: "AUTH",
  4.1: "Session state",
  4.2: "Network connections",
  4.3: "Quality of service",
  4.4: "Delivery retry",
  4.5: "Receipt",
  4.6: "Order",
  4.7: "Topics",
  4.8: "Shared subscriptions",
  4.9: "Flow control",
  4.12: "Enhanced authentication",
  4.13: "Errors",
  6: "WebSocket",
};

const WHO = { S: "server", B: "both", V: "client, met", C: "client" };

function chapterTable({ name, statements }, { untested }, cited) {
  const rows = statements.map(({ id, who, says }) => {
    const tests = cited.v5.get(id) ?? [];
    return row([
      id,
      WHO[who],
      cell(says),
      testsCell(tests),
      resultCell(tests, who === "C" ? "client only" : untested[id]),
    ]);
  });
  return section(
    `${name} ${CHAPTER_NAMES[name] ?? ""}`.trim(),
    ["id", "in few words", "tests", "result"],
    rows,
  );
}

function olderTable({ v311 }) {
  const ids = [...v311.keys()].sort(new Intl.Collator("en", { numeric: true }).compare);
  const rows = ids.map((id) => row([id, testsCell(v311.get(id)), resultCell(v311.get(id))]));
  return section("Where MQTT 3.1.1 differs (its own ids)", ["id", "tests", "result"], rows);
}

function section(title, heads, rows) {
  return `## ${title}\n\n${row(heads)}\n${row(heads.map(() => "---"))}\n${rows.join("\n")}\n`;
}

function testsCell(tests) {
  const byFile = new Map();
  for (const test of tests) add(byFile, test.file, test);
  return [...byFile]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([file, ofFile]) => `[${file.split("/").at(-1)}](../${file}): ${titlesOf(ofFile)}`)
    .join("<br>");
}

/** By suite, so that its name stands there once. */
function titlesOf(tests) {
  const bySuite = new Map();
  for (const { suite, title } of tests.slice(0, MAX_NAMED_TESTS))
    add(bySuite, withoutCitations(suite), cell(withoutCitations(title)));
  const named = [...bySuite].map(([suite, titles]) => `${suite && `*${cell(suite)}*: `}${titles.join("; ")}`);
  const more = tests.length - MAX_NAMED_TESTS;
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

function resultCell(tests, reason) {
  if (tests.length === 0) return reason === undefined ? "**no test**" : cell(reason);
  const states = new Set(tests.map(({ state }) => state));
  if (states.has("failed")) return "**fails**";
  return states.size === 1 && states.has("passed") ? "passes" : "**skipped**";
}

function row(cells) {
  return `| ${cells.join(" | ")} |`;
}

/** Text that stays in its cell and looks like itself. What cannot be seen is named by its code point. */
function cell(text) {
  return text
    .replaceAll(/[\\`*_<|[\]]/g, String.raw`\$&`)
    .replaceAll(/[\p{C}\u2028\u2029]/gu, (invisible) => `U+${hexOf(invisible.codePointAt(0) ?? 0)}`);
}

function hexOf(codePoint) {
  return codePoint.toString(16).toUpperCase().padStart(4, "0");
}
