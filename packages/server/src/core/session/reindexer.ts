import type { Clock } from "../ports/clock.ts";
import { tellEffectiveFilters } from "./acl-notice.ts";
import { mayHaveRetained, retainedFor } from "./retained-delivery.ts";
import type { Session } from "./session.ts";

/** How long one slice may hold the event loop. */
const sliceMs = 2;

/**
 * Lets effective filters follow a changed policy: in slices, and once for several changes of one session. Until a
 * session's turn has come its deliveries are checked one by one (semantics.md §1.8).
 */
export class Reindexer {
  readonly #clock: Clock;
  readonly #due = new Set<Session>();
  #isScheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What waits for the session is found first, where that has still to be done. */
  add(session: Session): void {
    if (!session.router.isRecovered) {
      void session.router.recovered.then(() => this.add(session));
      return;
    }
    this.#due.add(session);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.soon(() => this.#slice());
  }

  #slice(): void {
    this.#isScheduled = false;
    const until = this.#clock.nowMs() + sliceMs;
    for (const session of this.#due) {
      this.#due.delete(session);
      if (!session.hasEnded) reindex(session);
      if (this.#clock.nowMs() >= until) break;
    }
    if (this.#due.size > 0) this.#schedule();
  }
}

function reindex(session: Session): void {
  const changed = session.subscriptions.regrant();
  session.isRechecking = false;
  if (changed.length === 0) return;
  const moved = changed.filter(({ isMoved }) => isMoved);
  if (moved.length > 0) {
    session.record?.mark("meta");
    tellEffectiveFilters(session, moved);
  }
  for (const { subscription, before } of changed) {
    if (mayHaveRetained(subscription)) {
      const { outgoing, router } = session;
      const { topicFilter } = subscription;
      const known = outgoing.retained.owes(topicFilter) ? undefined : before;
      outgoing.retained.add(topicFilter, retainedFor(router, subscription, known));
    }
  }
  session.pump();
}
