import { existsSync, readFileSync } from "node:fs";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadVectors, vectorDirectory } from "../../../protocol/testing/vector.ts";
import { playVector } from "../../testing/vector-player.ts";

/** Vectors in which Weir does otherwise on purpose: why, and their titles. docs/conformance.md lists them. */
const deviations = JSON.parse(
  readFileSync(new URL("vector-deviations.json", import.meta.url), "utf8"),
) as Readonly<Record<string, readonly string[]>>;

const reasons = new Map(
  Object.entries(deviations).flatMap(([reason, titles]) => titles.map((title) => [title, reason] as const)),
);

const isThere = existsSync(vectorDirectory);
const skipReason = `the packet vectors of eclipse/mosquitto are not at ${vectorDirectory}`;

describe("the packet vectors of mosquitto's suite", { skip: !isThere, meta: { skipReason } }, () => {
  const vectors = isThere ? loadVectors() : [];
  let broker: BrokerFixture;

  beforeAll(async () => {
    broker = await startBroker();
  });
  afterAll(() => broker.close());

  it("are all there, and each deviation is one of them", () => {
    const titles = new Set(vectors.map((vector) => vector.title));
    expect(vectors.length).toBeGreaterThan(1_800);
    expect([...reasons.keys()].filter((title) => !titles.has(title))).toEqual([]);
  });

  it.each(vectors.map((vector) => [vector.title, vector] as const))("%s", async (title, vector) => {
    const mismatch = await playVector(broker.addresses.mqtt.port, vector);
    if (!reasons.has(title)) expect(mismatch).toBeUndefined();
    else {
      expect(mismatch, "it passes: take it off the list").toBeDefined();
      await forgetRetained(broker);
    }
  });
});

/** A vector that went otherwise may have left a retained message, which the next ones do not expect. */
async function forgetRetained(broker: BrokerFixture): Promise<void> {
  const client = await broker.connect({ version: 4, clientId: "broom" });
  await client.subscribe("#");
  client.send({ type: "pingreq" });
  for (let packet = await client.receive(); packet.type === "publish"; packet = await client.receive()) {
    await client.publish(packet.topic, "", { retain: true });
  }
  await client.cut();
}
