import { SlicedWork } from "../access/sliced-work.ts";
import type { Clock } from "../ports/clock.ts";
import { tellEffectiveFilters } from "./acl-notice.ts";
import { mayHaveRetained, retainedFor } from "./retained-delivery.ts";
import type { Session } from "./session.ts";

/**
 * Lets effective filters follow a changed policy: in slices, and once for several changes of one session. Until a
 * session's turn has come its deliveries are checked one by one (semantics.md §1.8).
 */
export class Reindexer {
  readonly #work: SlicedWork<Session>;

  constructor(clock: Clock) {
    this.#work = new SlicedWork(clock, (session) => {
      if (!session.hasEnded) reindex(session);
    });
  }

  /** What waits for the session is found first, where that has still to be done. */
  add(session: Session): void {
    if (session.router.isRecovered) this.#work.add([session]);
    else void session.router.recovered.then(() => this.add(session));
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
