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

const emptyPayload = new Uint8Array(0);

/** Retained messages without a connection; needs the scope `messages`, and the caller's ACL bounds it. */
export class RetainedAdmin {
  readonly #options: RetainedAdminOptions;

  constructor(options: RetainedAdminOptions) {
    this.#options = options;
  }

  /** What the caller may read, in the order of the topics. @throws {AdminError} */
  list(
    caller: Caller,
    topicFilter: string,
    page: { readonly cursor: string | undefined; readonly limit: number },
  ): Page<Message> {
    const found = lowestIds(this.#matching(caller, topicFilter), page.cursor ?? "", page.limit + 1);
    const { items, next } = pageOf(found, page.limit);
    return { items: items.map(({ message }) => message), next };
  }

  /**
   * Clears what the caller may read and may publish retained; the rest stays.
   *
   * @throws {AdminError} what was cleared before stays cleared
   */
  async clear(caller: Caller, topicFilter: string): Promise<{ count: number; refused: number }> {
    let [count, refused] = [0, 0];
    for (const { message } of Array.from(this.#matching(caller, topicFilter))) {
      const outcome = await settleInEngine(this.#options.core.publish(clearing(caller, message)));
      if (outcome.kind === "accepted") count += 1;
      else refused += 1;
    }
    return { count, refused };
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
