import { existsSync } from "node:fs";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadVectors, vectorDirectory } from "../../../protocol/testing/vector.ts";
import { playVector } from "../../testing/vector-player.ts";

/** Vectors in which Weir does otherwise on purpose: why, and their titles. */
const deviations: Readonly<Record<string, readonly string[]>> = {
  "a PUBREC of an unknown packet id is answered with 0x92 (semantics.md §2.3), where mosquitto says 0x00": [
    "v5.0 PUBREC 50 unsolicited len=2",
    "v5.0 PUBREC 50 unsolicited len=3",
    "v5.0 PUBREC 50 unsolicited len=4 ok",
    "v5.0 PUBREC ALLOWED PROPERTIES 50 with reason-string property",
    "v5.0 PUBREC ALLOWED PROPERTIES 50 with reason-string property empty",
    "v5.0 PUBREC ALLOWED PROPERTIES 50 with user-property",
    "v5.0 PUBREC ALLOWED PROPERTIES 50 with 2*user-property",
    "v5.0 PUBREC ALLOWED PROPERTIES 50 with user-property empty key",
    "v5.0 PUBREC ALLOWED PROPERTIES 50 with user-property empty value",
    "v5.0 PUBREC ALLOWED PROPERTIES 50 with user-property empty key,value",
  ],
  "so is a PUBREL": [
    "v5.0 PUBREL 62 unsolicited len=2",
    "v5.0 PUBREL 62 unsolicited len=3",
    "v5.0 PUBREL 62 unsolicited len=3 fail",
    "v5.0 PUBREL 62 unsolicited len=4 ok",
    "v5.0 PUBREL 62 unsolicited len=4 rc=fail",
    "v5.0 PUBREL ALLOWED PROPERTIES 62 with reason-string property",
    "v5.0 PUBREL ALLOWED PROPERTIES 62 with reason-string property empty",
    "v5.0 PUBREL ALLOWED PROPERTIES 62 with user-property",
    "v5.0 PUBREL ALLOWED PROPERTIES 62 with 2*user-property",
    "v5.0 PUBREL ALLOWED PROPERTIES 62 with user-property empty key",
    "v5.0 PUBREL ALLOWED PROPERTIES 62 with user-property empty value",
    "v5.0 PUBREL ALLOWED PROPERTIES 62 with user-property empty key,value",
  ],
  "PUBREC tells of no matching subscribers (0x10) as PUBACK does, where it is told at all": [
    "v5.0 FLOW QoS 2 PUBLISH-PUBREC-PUBREL(2)-PUBCOMP",
    "v5.0 FLOW QoS 2 PUBLISH-PUBREC-PUBREL(3)-PUBCOMP",
    "v5.0 FLOW QoS 2 PUBLISH-PUBREC-PUBREL(4)-PUBCOMP",
    "v5.0 FLOW QoS 2 PUBLISH-PUBREC-PUBREL(5)-PUBCOMP",
    "v5.0 PUBLISH 34 QoS 2 Dup 0",
    "v5.0 PUBLISH 3C QoS 2 Dup 1",
  ],
  "a QoS 2 PUBLISH may be repeated as often as the client needs [MQTT-4.3.3-10]; mosquitto closes at the third":
    ["v3.1.1 PUBLISH 34 QoS 2 Dup flow*3", "v5.0 PUBLISH 34 QoS 2 Dup flow*3"],
  "copies that wait for nothing leave at once, PUBREC of a retained message when the engine has it": [
    "v3.1.1 OTHER subpub retain as normal qos2",
    "v5.0 OTHER subpub retain as normal qos2",
  ],
  "the topic alias maximum is 64, and 10 in mosquitto's suite": [
    "v5.0 PUBLISH ALLOWED PROPERTIES topic alias > max topic alias",
  ],
  "clients publish nothing below $SYS; mosquitto's bridges do": [
    "v5.0 PUBLISH PUBLISH with $ topic - connection/state",
  ],
};

const reasons = new Map(
  Object.entries(deviations).flatMap(([reason, titles]) => titles.map((title) => [title, reason] as const)),
);

const isThere = existsSync(vectorDirectory);
if (!isThere) console.warn(`skipped: the packet vectors of eclipse/mosquitto are not at ${vectorDirectory}`);

describe.skipIf(!isThere)("the packet vectors of mosquitto's suite", () => {
  const vectors = isThere ? loadVectors() : [];
  let broker: BrokerFixture;

  beforeAll(async () => {
    broker = await startBroker({ limits: { tellsNoMatchingSubscribers: true } });
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
