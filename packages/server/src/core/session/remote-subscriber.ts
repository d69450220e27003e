import { parseShareFilter, type Qos, ReasonCode, type SubscriptionRequest } from "@weir/protocol";
import { isClientTopicFilter } from "./client-topics.ts";
import { sendRetained } from "./retained-delivery.ts";
import type { Session } from "./session.ts";
import { isTooWide, subscribeRefusal, type SubscribeBounds } from "./subscribe-rules.ts";
import type { Grant } from "./subscriptions.ts";

/** What somebody asks for in the place of a session's client. */
export interface RemoteSubscription extends SubscriptionRequest {
  readonly identifier: number | undefined;
}

export type RemoteOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly topicFilter: string; readonly reasonCode: ReasonCode };

/** Subscribes sessions, and ends their subscriptions, without their client: as far as their own principal may. */
export class RemoteSubscriber {
  readonly #bounds: SubscribeBounds;

  constructor(bounds: SubscribeBounds) {
    this.#bounds = bounds;
  }

  /** All of them, or none. Resolves when they are saved; rejects with EngineError. */
  async subscribe(session: Session, requests: readonly RemoteSubscription[]): Promise<RemoteOutcome> {
    await session.router.recovered;
    const refusal = this.#firstRefusal(session, requests);
    if (refusal) return refusal;
    const grants = requests
      .map((request) => session.subscriptions.subscribe(request, request.identifier))
      .filter((grant): grant is Grant => grant !== undefined);
    await session.record?.save("meta", "progress");
    for (const grant of grants) sendRetained(session, grant);
    session.pump();
    return { kind: "done" };
  }

  /** Resolves with how many there were, when that is saved; rejects with EngineError. */
  async unsubscribe(session: Session, topicFilters: readonly string[]): Promise<number> {
    const found = topicFilters.filter((topicFilter) => {
      session.outgoing.retained.forget(topicFilter);
      return session.subscriptions.unsubscribe(topicFilter);
    });
    await session.record?.save("meta", "progress");
    return found.length;
  }

  #firstRefusal(session: Session, requests: readonly RemoteSubscription[]): RemoteOutcome | undefined {
    for (const { topicFilter, qos } of requests) {
      const reasonCode =
        subscribeRefusal(session, this.#bounds, topicFilter) ??
        (mayRead(session, topicFilter, qos) ? undefined : ReasonCode.notAuthorized);
      if (reasonCode !== undefined) return { kind: "refused", topicFilter, reasonCode };
    }
    return undefined;
  }
}

/** `$client/…` is the client's own, and nobody subscribes to that for it. */
function mayRead(session: Session, topicFilter: string, qos: Qos): boolean {
  const { principal } = session;
  if (principal.ended || isClientTopicFilter(topicFilter) || isTooWide(session, topicFilter, qos))
    return false;
  const filter = parseShareFilter(topicFilter)?.filter ?? topicFilter;
  return principal.policy.effectiveFilters(filter, qos).filters.length > 0;
}
