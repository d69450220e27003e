import { isTopicFilter } from "@weir/protocol";
import type { Clock } from "../core/ports/clock.ts";
import type { Message } from "../core/ports/message.ts";
import type { Principal } from "../core/access/principal.ts";
import { AdminError, settleInEngine } from "./admin-error.ts";
import type { PublishPort } from "./message-admin.ts";
import { lowestIds, type Page, pageOf } from "./page.ts";
import { type Caller, requireScope } from "./scope.ts";

export type { Message } from "../core/ports/message.ts";

/** What is needed of the core. */
export interface RetainedPort extends PublishPort {
  /** The retained messages that a filter matches and the principal may read, each once. */
  readableRetained(principal: Principal, topicFilter: string): Iterable<Message>;
}

export interface RetainedAdminOptions {
  readonly core: RetainedPort;
  readonly clock: Clock;
  readonly limits: { readonly maxTopicBytes: number; readonly maxTopicLevels: number };
}

interface Found {
  /** The topic. */
  readonly id: string;
  readonly message: Message;
}

/** A slice takes about a millisecond. */
const LOOKED_AT_A_TIME = 2_000;
/** One flush of the engine serves them together. */
const CLEARED_AT_A_TIME = 256;
const emptyPayload = new Uint8Array(0);

/** Retained messages without a connection; needs the scope `messages`, and the caller's ACL bounds it. */
export class RetainedAdmin {
  readonly #options: RetainedAdminOptions;

  constructor(options: RetainedAdminOptions) {
    this.#options = options;
  }

  /** What the caller may read, in the order of the topics; others have their turn meanwhile. @throws {AdminError} */
  async list(
    caller: Caller,
    topicFilter: string,
    { cursor = "", limit }: { readonly cursor: string | undefined; readonly limit: number },
  ): Promise<Page<Message>> {
    let lowest: readonly Found[] = [];
    for (const slice of slicesOf(this.#matching(caller, topicFilter), LOOKED_AT_A_TIME)) {
      lowest = lowestIds([...lowest, ...slice], cursor, limit + 1);
      if (slice.length === LOOKED_AT_A_TIME) await this.#turn();
    }
    const { items, next } = pageOf(lowest, limit);
    return { items: items.map(({ message }) => message), next };
  }

  /**
   * Clears what the caller may read and may publish retained; the rest stays.
   *
   * @throws {AdminError} what was cleared before stays cleared
   */
  async clear(caller: Caller, topicFilter: string): Promise<{ count: number; refused: number }> {
    let [count, refused] = [0, 0];
    for (const slice of slicesOf(this.#matching(caller, topicFilter), CLEARED_AT_A_TIME)) {
      const cleared = await Promise.all(slice.map(({ message }) => this.#clear(caller, message)));
      const done = cleared.filter(Boolean).length;
      count += done;
      refused += cleared.length - done;
    }
    return { count, refused };
  }

  /** False: the caller may not. */
  async #clear(caller: Caller, message: Message): Promise<boolean> {
    const outcome = await settleInEngine(this.#options.core.publish(clearing(caller, message)));
    return outcome.kind === "accepted";
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.soon(resolve));
  }

  *#matching(caller: Caller, topicFilter: string): Generator<Found> {
    requireScope(caller, "messages");
    const { core, clock, limits } = this.#options;
    const bounds = { maxBytes: limits.maxTopicBytes, maxLevels: limits.maxTopicLevels };
    if (!isTopicFilter(topicFilter, bounds) || topicFilter.startsWith("$share/"))
      throw new AdminError("invalid", "filter: is no topic filter within the limits");
    const nowMs = clock.nowMs();
    for (const message of core.readableRetained(caller.principal, topicFilter))
      if (message.expiresAtMs > nowMs) yield { id: message.topic.name, message };
  }
}

/** An empty payload removes what is retained [MQTT-3.3.1-6]; QoS 1, so that it is durable. */
function clearing({ principal }: Caller, { topic }: Message): Parameters<PublishPort["publish"]>[0] {
  const { tenant } = principal;
  return { tenant, principal, topic: topic.name, payload: emptyPayload, qos: 1, retain: true };
}

function* slicesOf<T>(items: Iterable<T>, size: number): Generator<readonly T[]> {
  let slice: T[] = [];
  for (const item of items) {
    slice.push(item);
    if (slice.length < size) continue;
    yield slice;
    slice = [];
  }
  yield slice;
}
