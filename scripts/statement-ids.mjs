const CITATION = /\[MQTT-([^\]]*)\]/g;
const STATEMENT = /^(?<section>\d+(?:\.\d+)+)-(?<number>\d+)$/;
const SECTION = /^\d+(\.\d+)*$/;

/**
 * What a test's title cites. `[MQTT-3.1.0-2]` is a statement of MQTT 5.0, `[MQTT-3.1.1 3.1.0-2]` one of MQTT 3.1.1; lists
 * and ranges may leave the section out after the first: `[MQTT-3.1.2-9, -17, -19]`, `[MQTT-3.3.1-9 to -11]`. A section
 * alone, `[MQTT-3.9.3]`, is a reference for the reader and no statement.
 * @param {string} title
 * @returns {{ v5: string[], v311: string[], unreadable: string[] }} ids such as "3.1.0-2"
 */
export function statementIdsIn(title) {
  /** @type {ReturnType<typeof statementIdsIn>} */
  const cited = { v5: [], v311: [], unreadable: [] };
  for (const [whole, content = ""] of title.matchAll(CITATION)) {
    const isOlder = content.startsWith("3.1.1 ");
    const list = isOlder ? content.slice("3.1.1 ".length) : content;
    if (SECTION.test(list)) continue;
    const ids = idsOfList(list);
    if (ids) cited[isOlder ? "v311" : "v5"].push(...ids);
    else cited.unreadable.push(whole);
  }
  return cited;
}

/** A title without what it cites. */
export function withoutCitations(title) {
  return title.replaceAll(CITATION, "").replaceAll(/ {2,}/g, " ").trim();
}

/** Undefined where the list cannot be read. */
function idsOfList(list) {
  /** @type {string[]} */
  const ids = [];
  let section;
  for (const item of list.split(/, */)) {
    const [start, end, ...more] = item.split(" to ");
    const first = statementOf(start, section);
    section = first?.section;
    const last = end === undefined ? first : statementOf(end, section);
    if (!first || !last || last.section !== section || more.length > 0) return undefined;
    for (let { number } = first; number <= last.number; number++) ids.push(`${section}-${number}`);
  }
  return ids;
}

function statementOf(text, section) {
  const groups = STATEMENT.exec(text.startsWith("-") ? `${section}${text}` : text)?.groups;
  return groups && { section: groups["section"], number: Number(groups["number"]) };
}
