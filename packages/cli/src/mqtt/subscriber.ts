import type { IPublishPacket, MqttClient } from "mqtt";
import { CommandFailure } from "../command-failure.ts";
import { connectErrorText } from "./open-client.ts";
import type { MessageFormat } from "./message-format.ts";
import { reasonText } from "./reason-text.ts";
import { topicMatches } from "./topic-matches.ts";

export interface SubscriberOptions {
  readonly client: MqttClient;
  readonly flags: {
    readonly count?: number;
    readonly timeout?: number;
    readonly noStale?: true;
    readonly retainedOnly?: true;
    readonly removeRetained?: true;
    readonly filterOut: readonly string[];
  };
  readonly format: MessageFormat;
  readonly tell: (line: string) => void;
  readonly stdout: NodeJS.WriteStream;
  readonly url: string;
}

/** Prints what comes, until the count is full, the time is up, or the broker lets this client in no longer. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #ended = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | undefined;
  #received = 0;
  #isFinishing = false;

  constructor(options: SubscriberOptions) {
    this.#options = options;
    // Whoever waits sees the failure; it may come before anybody does.
    this.#ended.promise.catch(() => undefined);
    const { client, flags, tell } = options;
    client.on("message", (_topic, _payload, packet) => this.#onMessage(packet));
    client.on("disconnect", ({ reasonCode }) =>
      tell(`The broker ended the connection: ${reasonText(reasonCode ?? 0)}.`),
    );
    client.on("error", (error) => this.#onError(error));
    client.on("offline", () => tell("The connection was lost; trying again."));
    if (flags.timeout !== undefined)
      this.#timer = setTimeout(() => this.finish(new CommandFailure("Timed out")), flags.timeout * 1000);
  }

  /** True from the moment that nothing more is printed. */
  get isFinishing(): boolean {
    return this.#isFinishing;
  }

  /** Resolves when all is printed; rejects when it failed. */
  ended(): Promise<void> {
    return this.#ended.promise;
  }

  finish(failure?: CommandFailure): void {
    if (this.#isFinishing) return;
    this.#isFinishing = true;
    clearTimeout(this.#timer);
    this.#options.client.end(false, {}, () =>
      failure ? this.#ended.reject(failure) : this.#ended.resolve(),
    );
  }

  #onMessage(packet: IPublishPacket): void {
    if (this.#isFinishing) return;
    const { client, flags, format, stdout } = this.#options;
    if (flags.retainedOnly && !packet.retain) return this.finish();
    if (flags.noStale && packet.retain) return;
    if (flags.filterOut.some((filter) => topicMatches(filter, packet.topic))) return;
    stdout.write(format(packet, new Date()));
    if (flags.removeRetained && packet.retain) client.publish(packet.topic, "", { retain: true, qos: 1 });
    if (++this.#received === flags.count) this.finish();
  }

  /** After the first connection: a refusal is final, anything else is tried again. */
  #onError(error: Error): void {
    if (typeof (error as { code?: unknown }).code !== "number") return;
    this.finish(new CommandFailure(connectErrorText(error, this.#options.url)));
  }
}
