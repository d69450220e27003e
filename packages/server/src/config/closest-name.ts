/**
 * The name that somebody probably meant: the nearest by edits, at most a third of its length away, or one that ends in
 * the same last part (`limits.receiveMaximum` for `mqtt.receiveMaximum`). Undefined when nothing is near.
 */
export function closestName(wrong: string, names: readonly string[]): string | undefined {
  const lastPart = wrong.slice(wrong.lastIndexOf(".") + 1).toLowerCase();
  const ranked = names
    .map((name) => ({ name, edits: editDistance(wrong.toLowerCase(), name.toLowerCase()) }))
    .toSorted((a, b) => a.edits - b.edits);
  const nearest = ranked[0];
  if (nearest && nearest.edits <= Math.max(1, Math.floor(nearest.name.length / 4))) return nearest.name;
  return names.find((name) => name.toLowerCase().endsWith(`.${lastPart}`));
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    above = row;
  }
  return above[b.length] ?? 0;
}
