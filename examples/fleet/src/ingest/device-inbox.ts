import type { Logger } from "pino";
import type { ConsumedMessage } from "../consumer/mqtt-consumer.ts";
import type { DeviceDirectory } from "./device-directory.ts";
import { parseOsmandReport } from "./osmand-report.ts";
import type { PositionPublisher } from "./position-publisher.ts";

export interface DeviceInboxOptions {
  readonly devices: DeviceDirectory;
  readonly publisher: PositionPublisher;
  readonly logger: Logger;
}

/** Instances of the service share this subscription: each report goes to one of them. */
export const INBOX_FILTER = "$share/ingest/ingest/+";

/** Takes positions from trackers that speak MQTT: JSON or a query string, with the fields of the OsmAnd form. */
export class DeviceInbox {
  readonly #options: DeviceInboxOptions;

  constructor(options: DeviceInboxOptions) {
    this.#options = options;
  }

  /** Resolves when all are published. Rejects while the broker does not take them: they are to come again. */
  async handle(batch: readonly ConsumedMessage[]): Promise<void> {
    await Promise.all(batch.map((message) => this.#take(message)));
  }

  async #take({ topic, payload }: ConsumedMessage): Promise<void> {
    const sensorId = topic.slice(topic.indexOf("/") + 1);
    const report = parseOsmandReport(fieldsOf(payload), Date.now());
    if (report.kind === "invalid") {
      this.#options.logger.warn({ sensorId, reason: report.reason }, "a device sent what is no position");
      return;
    }
    const device = await this.#options.devices.ofSensor(sensorId);
    if (device) await this.#options.publisher.publish(device, report.position);
  }
}

function fieldsOf(payload: Uint8Array): Readonly<Record<string, unknown>> {
  const text = new TextDecoder().decode(payload);
  if (!text.startsWith("{")) return Object.fromEntries(new URLSearchParams(text));
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
