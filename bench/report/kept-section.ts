const BEGIN = "<!-- fleet -->";
const END = "<!-- /fleet -->";

/** The part of the page that the fleet's own measurement has written (`npm run fleet-load -- --write`), marks included. */
export function keptSection(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  return begin === -1 || end < begin ? "" : `\n${page.slice(begin, end + END.length)}\n`;
}
