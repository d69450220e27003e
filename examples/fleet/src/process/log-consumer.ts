import type { Logger } from "pino";
import type { ConsumerEvent } from "../consumer/mqtt-consumer.ts";

export function logConsumer(logger: Logger): (event: ConsumerEvent) => void {
  return ({ kind, ...details }) =>
    logger[kind === "connected" ? "info" : "warn"](details, `${kind} as a consumer`);
}
