import { splitLevels } from "@weir/protocol";
import { isReservedLevel } from "./filter-matching.ts";
import { TopicVersions } from "./topic-versions.ts";
import { ValueList } from "./value-list.ts";

interface Node<V> {
  /** By literal level. */
  children: Map<string, Node<V>> | undefined;
  /** Under `+`. */
  wild: Node<V> | undefined;
  /** Values of the filter that ends here. */
  exact: ValueList<V> | undefined;
  /** Values of the filter that goes on with `#`; it matches here too (section 4.7.1.2). */
  open: ValueList<V> | undefined;
}

/**
 * Which values hold a topic filter that matches a topic. Filters and topics are valid: whoever takes them from a peer
 * has refused the others.
 */
export class SubscriptionTree<V> {
  /** Tells holders of cached matches when these are stale; counts every change of the tree. */
  readonly versions: TopicVersions;
  readonly #root: Node<V> = emptyNode();
  #size = 0;

  /** @param versions may be shared by the trees of several tenants, to save memory */
  constructor(versions: TopicVersions = new TopicVersions()) {
    this.versions = versions;
  }

  /** Number of distinct pairs of filter and value. */
  get size(): number {
    return this.#size;
  }

  /** Adding a pair again changes nothing. */
  add(filter: string, value: V): void {
    const levels = splitLevels(filter);
    const isOpen = levels[levels.length - 1] === "#";
    const depth = isOpen ? levels.length - 1 : levels.length;
    let node = this.#root;
    for (let i = 0; i < depth; i++) node = openChild(node, levels[i] as string);
    const list = isOpen ? (node.open ??= new ValueList()) : (node.exact ??= new ValueList());
    if (!list.add(value)) return;
    this.#size++;
    this.versions.bump(levels);
  }

  /** The values that this very filter holds; valid until the next change. */
  valuesOf(filter: string): readonly V[] {
    let node: Node<V> | undefined = this.#root;
    const levels = splitLevels(filter);
    for (const level of levels) {
      if (level === "#") return node.open?.values ?? [];
      node = childOf(node, level);
      if (!node) return [];
    }
    return node.exact?.values ?? [];
  }

  /** @returns false if the filter did not hold the value */
  remove(filter: string, value: V): boolean {
    const levels = splitLevels(filter);
    const isOpen = levels[levels.length - 1] === "#";
    const path = this.#path(levels, isOpen ? levels.length - 1 : levels.length);
    const node = path?.[path.length - 1];
    const list = isOpen ? node?.open : node?.exact;
    if (!path || !node || !list?.delete(value)) return false;
    if (list.values.length === 0) {
      if (isOpen) node.open = undefined;
      else node.exact = undefined;
      prune(path, levels);
    }
    this.#size--;
    this.versions.bump(levels);
    return true;
  }

  /**
   * Appends the values of all filters that match the topic name to `found`. A value that holds several of them is
   * appended several times, and a filter that begins with a wildcard matches no `$…` topic [MQTT-4.7.2-1].
   */
  match(topic: readonly string[], found: V[]): void {
    const first = topic[0] as string;
    if (!isReservedLevel(first)) return collect(this.#root, topic, 0, found);
    const child = this.#root.children?.get(first);
    if (child) collect(child, topic, 1, found);
  }

  /**
   * Appends the values of all filters that have a topic in common with this one to `found`, and some that have none:
   * leading wildcards and `$…` levels are not told apart.
   */
  overlapping(filter: readonly string[], found: V[]): void {
    collectOverlapping(this.#root, filter, 0, found);
  }

  /** The nodes from the root to the one that the first `depth` levels name. */
  #path(levels: readonly string[], depth: number): Node<V>[] | undefined {
    const path = [this.#root];
    let node: Node<V> | undefined = this.#root;
    for (let i = 0; i < depth; i++) {
      node = childOf(node, levels[i] as string);
      if (!node) return undefined;
      path.push(node);
    }
    return path;
  }
}

function collect<V>(from: Node<V>, topic: readonly string[], fromDepth: number, found: V[]): void {
  let node = from;
  for (let depth = fromDepth; ; depth++) {
    if (node.open) append(node.open.values, found);
    if (depth === topic.length) {
      if (node.exact) append(node.exact.values, found);
      return;
    }
    if (node.wild) collect(node.wild, topic, depth + 1, found);
    const next = node.children?.get(topic[depth] as string);
    if (!next) return;
    node = next;
  }
}

function collectOverlapping<V>(node: Node<V>, filter: readonly string[], depth: number, found: V[]): void {
  const level = filter[depth];
  if (level === "#") return collectAll(node, found);
  if (node.open) append(node.open.values, found);
  if (level === undefined) {
    if (node.exact) append(node.exact.values, found);
    return;
  }
  if (node.wild) collectOverlapping(node.wild, filter, depth + 1, found);
  if (level === "+") {
    for (const child of node.children?.values() ?? []) collectOverlapping(child, filter, depth + 1, found);
    return;
  }
  const child = node.children?.get(level);
  if (child) collectOverlapping(child, filter, depth + 1, found);
}

function collectAll<V>(node: Node<V>, found: V[]): void {
  if (node.open) append(node.open.values, found);
  if (node.exact) append(node.exact.values, found);
  if (node.wild) collectAll(node.wild, found);
  for (const child of node.children?.values() ?? []) collectAll(child, found);
}

/** A loop, because `push(...values)` overflows the stack with 100,000 values. */
function append<V>(values: readonly V[], found: V[]): void {
  for (let i = 0; i < values.length; i++) found.push(values[i] as V);
}

function emptyNode<V>(): Node<V> {
  return { children: undefined, wild: undefined, exact: undefined, open: undefined };
}

function childOf<V>(node: Node<V>, level: string): Node<V> | undefined {
  return level === "+" ? node.wild : node.children?.get(level);
}

function openChild<V>(node: Node<V>, level: string): Node<V> {
  if (level === "+") return (node.wild ??= emptyNode());
  const children = (node.children ??= new Map<string, Node<V>>());
  let child = children.get(level);
  if (!child) children.set(level, (child = emptyNode()));
  return child;
}

/** Takes out the nodes at the end of the path that hold nothing any more; the root stays. */
function prune<V>(path: readonly Node<V>[], levels: readonly string[]): void {
  for (let depth = path.length - 1; depth > 0; depth--) {
    const node = path[depth] as Node<V>;
    if (node.children || node.wild || node.exact || node.open) return;
    const parent = path[depth - 1] as Node<V>;
    const level = levels[depth - 1] as string;
    if (level === "+") parent.wild = undefined;
    else if (parent.children?.delete(level) && parent.children.size === 0) parent.children = undefined;
  }
}
