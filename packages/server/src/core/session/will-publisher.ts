import type { Will } from "@weir/protocol";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Logger } from "../ports/telemetry.ts";
import { type PublishAttempt, refusalOf } from "./publish-rules.ts";
import type { Session } from "./session.ts";

/** Publishes wills when their time has come (semantics.md §1.10). */
export class WillPublisher {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #timers = new Map<Session, Timer>();
  readonly #publishing = new Set<Promise<void>>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The session's connection was lost: its will is due after its delay, or when the session ends, whichever is first. */
  schedule(session: Session, atLeastS = 0): void {
    if (!session.will) return;
    const delayS = Math.max(
      atLeastS,
      Math.min(session.will.properties.willDelayInterval ?? 0, session.expiryS),
    );
    if (delayS === 0) void this.publish(session);
    else
      this.#timers.set(
        session,
        this.#clock.after(delayS * 1_000, () => void this.publish(session)),
      );
  }

  /** The client is back within the delay: no will [MQTT-3.1.3-9]. */
  cancel(session: Session): void {
    this.#timers.get(session)?.cancel();
    this.#timers.delete(session);
    session.will = undefined;
  }

  /** Resolves when the will is as durable as its QoS and its receivers ask for, or cannot be published. */
  async publish(session: Session): Promise<void> {
    const done = this.#publishIfAllowed(session);
    this.#publishing.add(done);
    await done;
    this.#publishing.delete(done);
  }

  async #publishIfAllowed(session: Session): Promise<void> {
    const { will, principal } = session;
    this.cancel(session);
    if (!will) return;
    const hasLostRights = principal.ended !== undefined && principal.ended !== "expired";
    const refusal = hasLostRights
      ? "its principal was ended"
      : refusalOf(principal.policy, attemptOf(session, will));
    if (refusal === undefined) await this.#publish(session, will);
    else
      this.#logger.info({ session: session.id, topic: will.topic }, `a will is not published (${refusal})`);
  }

  /** The broker stops: delayed wills go on waiting in their session's record, the others are waited for. */
  async stop(): Promise<void> {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await Promise.all(this.#publishing);
  }

  async #publish(session: Session, will: Will): Promise<void> {
    const { willDelayInterval: _, messageExpiryInterval, ...properties } = will.properties;
    const expiresAtMs =
      messageExpiryInterval === undefined ? Infinity : this.#clock.nowMs() + messageExpiryInterval * 1_000;
    const message = {
      topic: session.router.topic(will.topic),
      payload: will.payload,
      qos: will.qos,
      retain: will.retain,
      properties,
      expiresAtMs,
      publisher: session.publisher,
      frames: undefined,
    };
    try {
      await session.router.publish(session.router.attributed(message));
      session.record?.mark("meta");
    } catch (error) {
      this.#logger.error({ session: session.id, error: String(error) }, "a will could not be published");
    }
  }
}

function attemptOf(session: Pick<Session, "router">, will: Will): PublishAttempt {
  const topic = session.router.topic(will.topic);
  return { topic, qos: will.qos, retain: will.retain, responseTopic: will.properties.responseTopic };
}
