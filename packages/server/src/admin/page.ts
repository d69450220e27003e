/** A part of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next part begins; undefined: this is the last. */
  readonly next: string | undefined;
}

/** Makes a page of the first `limit` of what was found, which is one more where there are more. */
export function pageOf<T extends { readonly id: string }>(found: readonly T[], limit: number): Page<T> {
  const items = found.slice(0, limit);
  return { items, next: found.length > limit ? items.at(-1)?.id : undefined };
}

/** The `count` with the lowest ids above `after`, in order of their ids; keeps no more than that of a long list. */
export function lowestIds<T extends { readonly id: string }>(
  all: Iterable<T>,
  after: string,
  count: number,
): readonly T[] {
  const lowest: T[] = [];
  for (const item of all) {
    const last = lowest[count - 1];
    if (item.id <= after || (last && last.id <= item.id)) continue;
    lowest.splice(placeOf(item.id, lowest), 0, item);
    if (lowest.length > count) lowest.pop();
  }
  return lowest;
}

function placeOf(id: string, sorted: readonly { readonly id: string }[]): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.id as string) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
