import {
  isShared,
  ReasonCode,
  splitLevels,
  type SubscriptionRequest,
  type UserProperties,
} from "@weir/protocol";
import type { Clock } from "../ports/clock.ts";
import type { Seq } from "../ports/engine.ts";
import { parseSince, type Since, sinceForms } from "../history/since.ts";
import type { Router } from "../routing/router.ts";
import type { GrantedFilter, Subscription, Tracking } from "../routing/subscription.ts";
import type { Session } from "./session.ts";
import type { Track } from "./subscriptions.ts";

/** What the user properties of a SUBSCRIBE ask of the log (semantics.md §2.10). */
export interface TrackingRequest {
  readonly since: string | undefined;
  readonly hasPosition: boolean;
}

/** Undefined: nothing. */
export function trackingRequestOf(properties: UserProperties = []): TrackingRequest | undefined {
  const since = properties.find(([name]) => name === "since")?.[1];
  const hasPosition = properties.some(([name, value]) => name === "position" && value === "true");
  return since === undefined && !hasPosition ? undefined : { since, hasPosition };
}

/** Why a subscription cannot have what it asks of the log. */
export interface TrackingRefusal {
  readonly reasonCode: ReasonCode;
  readonly reason: string | undefined;
}

/** Undefined: it may, as far as can be said before it is granted. */
export function trackingRefusal(
  session: Session,
  { topicFilter }: SubscriptionRequest,
  { since }: TrackingRequest,
  nowMs: number,
): TrackingRefusal | undefined {
  const refuse = (reason: string): TrackingRefusal => ({
    reasonCode: ReasonCode.implementationSpecificError,
    reason,
  });
  if (isShared(topicFilter)) return refuse("a shared subscription has no replay and no positions");
  if (since === undefined) return undefined;
  if (!parseSince(since, nowMs)) return refuse(`since must be ${sinceForms}`);
  const isAllowed = session.principal.policy.mayReplay(topicFilter);
  return isAllowed ? undefined : { reasonCode: ReasonCode.notAuthorized, reason: undefined };
}

/** Where a replay begins, and whether the log surely has everything from there on. */
interface ReplayStart {
  readonly after: Seq;
  readonly sinceMs: number;
  readonly isTruncated: boolean;
}

/** Makes what a subscription asks of the log of what it was granted; remembers for SUBACK what became of it. */
export class Tracker {
  readonly #session: Session;
  readonly #request: TrackingRequest;
  readonly #clock: Clock;
  readonly #isResumed: boolean;
  #told: string | undefined;

  constructor(session: Session, request: TrackingRequest, clock: Clock, isResumed: boolean) {
    this.#session = session;
    this.#request = request;
    this.#clock = clock;
    this.#isResumed = isResumed;
  }

  /** The value of SUBACK's user property `replay`; undefined: there is none. */
  get told(): string | undefined {
    return this.#told;
  }

  readonly track: Track = (granted, before) => {
    const { since, hasPosition } = this.#request;
    if (since === undefined) return { tracking: this.#positions(), from: this.#liveFrom(before) };
    const known = before?.tracking;
    const isRepeated = known?.since !== undefined && (known.since === since || this.#isResumed);
    if (before && known && isRepeated) {
      this.#tell("from", this.#reached(before));
      return { tracking: { ...known, hasPosition }, from: before.from };
    }
    return this.#begin(since, granted);
  };

  #begin(since: string, granted: readonly GrantedFilter[]): { tracking: Tracking; from: Seq } {
    const { router } = this.#session;
    const { after, sinceMs, isTruncated } = startOf(
      router,
      parseSince(since, this.#clock.nowMs()) as Since,
      granted,
    );
    const promised = router.promisedFrom(granted) ?? 0;
    this.#tell(isTruncated ? "replay-truncated" : "from", isTruncated ? Math.max(after, promised) : after);
    const from = router.tailSeq;
    const { hasPosition } = this.#request;
    return { from, tracking: { since, hasPosition, after, sinceMs, isReplaying: true, mergedFrom: from } };
  }

  /** Positions alone: no replay. */
  #positions(): Tracking {
    const { headSeq: after } = this.#session.router;
    return { since: undefined, hasPosition: true, after, sinceMs: 0, isReplaying: false, mergedFrom: after };
  }

  /** What waits in the log for the subscription that this one replaces is this one's. */
  #liveFrom(before: Subscription | undefined): Seq {
    const { isLogged, router } = this.#session;
    return before && before.qos > 0 && isLogged ? before.from : router.headSeq;
  }

  /** How far an older subscription has come. */
  #reached({ topicFilter }: Subscription): Seq {
    const { replays, reader, router } = this.#session;
    return replays.get(topicFilter)?.takenUpTo ?? reader?.position ?? router.tailSeq;
  }

  #tell(what: "from" | "replay-truncated", seq: Seq): void {
    this.#told = `${what} ${this.#session.router.positions.encode(seq)}`;
  }
}

function startOf(router: Router, since: Since, granted: readonly GrantedFilter[]): ReplayStart {
  const histories = granted.map(({ filter }) => router.histories.covering(splitLevels(filter)));
  const isCovered = (isComplete: (history: NonNullable<(typeof histories)[number]>) => boolean): boolean =>
    histories.every((history) => history !== undefined && isComplete(history));
  if (since.kind === "time") {
    const { atMs } = since;
    const afters = histories.map((history) => history?.before(atMs) ?? router.seqBeforeTime(atMs));
    const isTruncated = !isCovered((history) => history.completeFromMs <= atMs);
    return { after: Math.min(...afters), sinceMs: atMs, isTruncated };
  }
  const after = router.positions.decode(since.position);
  if (after === undefined || after > router.headSeq) {
    const kept = histories.map((history) => history?.completeFrom ?? 0);
    return { after: Math.min(...kept), sinceMs: 0, isTruncated: true };
  }
  return { after, sinceMs: 0, isTruncated: !isCovered((history) => history.completeFrom <= after) };
}
