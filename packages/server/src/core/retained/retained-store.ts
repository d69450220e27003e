import type { Message } from "../ports/message.ts";
import { ExpiryCalendar } from "./expiry-calendar.ts";

interface Node {
  /** By level. */
  children: Map<string, Node> | undefined;
  message: Message | undefined;
}

/** The retained message of each topic, found by name or by filter. */
export class RetainedStore {
  readonly #root: Node = { children: undefined, message: undefined };
  readonly #calendar = new ExpiryCalendar();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get(levels: readonly string[]): Message | undefined {
    let node: Node | undefined = this.#root;
    for (const level of levels) {
      node = node.children?.get(level);
      if (!node) return undefined;
    }
    return node.message;
  }

  /** Replaces the topic's message [MQTT-3.3.1-5]; an empty payload removes it and is never stored [MQTT-3.3.1-6, -7]. */
  put(message: Message): void {
    if (message.payload.length === 0) this.remove(message.topic.levels);
    else this.#set(message);
  }

  remove(levels: readonly string[]): void {
    const path: Node[] = [this.#root];
    for (const level of levels) {
      const node: Node | undefined = (path.at(-1) as Node).children?.get(level);
      if (!node) return;
      path.push(node);
    }
    const last = path.at(-1) as Node;
    if (!last.message) return;
    this.#calendar.delete(last.message);
    last.message = undefined;
    this.#count -= 1;
    prune(path, levels);
  }

  /** Removes what has expired, up to two minutes late, and gives it. Cheap: call it as often as you like. */
  takeExpired(nowMs: number): readonly Message[] {
    const expired = this.#calendar.due(nowMs);
    for (const message of expired) this.remove(message.topic.levels);
    return expired;
  }

  /** Every retained message that the filter matches; a leading wildcard matches no `$…` topic [MQTT-4.7.2-1]. */
  *match(filterLevels: readonly string[]): Generator<Message> {
    yield* matchNode(this.#root, filterLevels, 0);
  }

  #set(message: Message): void {
    let node = this.#root;
    for (const level of message.topic.levels) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (!child) node.children.set(level, (child = { children: undefined, message: undefined }));
      node = child;
    }
    if (node.message) this.#calendar.delete(node.message);
    else this.#count += 1;
    this.#calendar.add(message);
    node.message = message;
  }
}

function* matchNode(node: Node, filter: readonly string[], depth: number): Generator<Message> {
  const level = filter[depth];
  if (level === undefined) {
    if (node.message) yield node.message;
  } else if (level === "#") {
    yield* all(node, depth === 0);
  } else if (level === "+") {
    for (const [name, child] of node.children ?? []) {
      if (depth > 0 || !name.startsWith("$")) yield* matchNode(child, filter, depth + 1);
    }
  } else {
    const child = node.children?.get(level);
    if (child) yield* matchNode(child, filter, depth + 1);
  }
}

function* all(node: Node, isRoot: boolean): Generator<Message> {
  if (node.message) yield node.message;
  for (const [name, child] of node.children ?? []) {
    if (!isRoot || !name.startsWith("$")) yield* all(child, false);
  }
}

/** Removes the nodes at the end of the path that hold nothing any longer. */
function prune(path: readonly Node[], levels: readonly string[]): void {
  for (let depth = levels.length; depth > 0; depth -= 1) {
    const node = path[depth] as Node;
    if (node.message || (node.children && node.children.size > 0)) return;
    (path[depth - 1] as Node).children?.delete(levels[depth - 1] as string);
  }
}
