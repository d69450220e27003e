import { countLevels, isTopicFilter, parseShareFilter, type Qos, ReasonCode } from "@weir/protocol";
import type { Counters, LimitName } from "../ports/telemetry.ts";
import type { Limits } from "./limits.ts";
import { countOverlong } from "./publish-rules.ts";
import type { Session } from "./session.ts";

export interface SubscribeBounds {
  readonly limits: Limits;
  readonly counters: Counters;
  /** New durable state is refused (semantics.md §2.12). */
  readonly isDiskFull: () => boolean;
}

/** What forbids a subscription whatever the policy says: no filter within the bounds, or too many. Counts it. */
export function subscribeRefusal(
  session: Session,
  bounds: SubscribeBounds,
  topicFilter: string,
): ReasonCode | undefined {
  const { limits, counters } = bounds;
  const { maxTopicBytes, maxTopicLevels } = limits;
  if (!isTopicFilter(topicFilter, { maxBytes: maxTopicBytes, maxLevels: maxTopicLevels })) {
    countOverlong({ limits, counters }, topicFilter);
    return ReasonCode.topicFilterInvalid;
  }
  const exceeded = exceededLimit(session, bounds, topicFilter);
  if (exceeded === undefined) return undefined;
  counters.limitReached[exceeded] += 1;
  return ReasonCode.quotaExceeded;
}

/** Whether the tenant refuses the filter, which the policy would narrow or check (product.md, "Subscribe"). */
export function isTooWide({ router, principal }: Session, topicFilter: string, qos: Qos): boolean {
  if (router.settings.wildcards === "narrow") return false;
  const filter = parseShareFilter(topicFilter)?.filter ?? topicFilter;
  const { narrowed, checked } = principal.policy.effectiveFilters(filter, qos);
  return narrowed || checked;
}

/** What there is too much of for one more filter. Replacing a subscription is always possible. */
function exceededLimit(
  { subscriptions, record, principal }: Session,
  { limits: { maxSubscriptions, maxSubscriptionLevels }, isDiskFull }: SubscribeBounds,
  topicFilter: string,
): LimitName | undefined {
  if (subscriptions.has(topicFilter)) return undefined;
  if (record && isDiskFull()) return "limits.diskReserveBytes";
  if (subscriptions.size >= maxSubscriptions) return "limits.maxSubscriptions";
  if (subscriptions.size >= (principal.limits?.subscriptions ?? Infinity)) return "limits.subscriptions";
  const levels = subscriptions.levelCount + countLevels(topicFilter);
  return levels > maxSubscriptionLevels ? "limits.maxSubscriptionLevels" : undefined;
}
