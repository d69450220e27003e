import { expect, test } from "vitest";
import {
  type CoreFixture,
  publishPacket,
  startedCore,
  subscribePacket,
} from "../../../testing/core-fixture.ts";
import type { FakeLink } from "../../../testing/fake-link.ts";
import { compilePolicy, type PolicyEntry } from "../access/policy.ts";

const nobody = { subject: "", clientId: "", tokenId: "" };

function reads(...entries: readonly (string | PolicyEntry)[]): ReturnType<typeof compilePolicy> {
  return compilePolicy(
    entries.map((entry) => (typeof entry === "string" ? { actions: ["subscribe"], topic: entry } : entry)),
    nobody,
  );
}

async function coreOf(subject: string, ...topics: readonly string[]): Promise<CoreFixture> {
  const fixture = await startedCore();
  fixture.setPolicy(subject, reads(...topics));
  return fixture;
}

const oneAtATime = { properties: { receiveMaximum: 1 } };

/** Acknowledges whatever comes, until nothing comes. */
async function drained(fixture: CoreFixture, link: FakeLink): Promise<string[]> {
  const topics: string[] = [];
  for (let sent = link.take("publish"); sent.length > 0; sent = link.take("publish")) {
    for (const { topic, qos, packetId } of sent) {
      topics.push(topic);
      if (qos > 0) link.give({ type: "puback", packetId, reasonCode: 0 });
    }
    await fixture.settle();
  }
  return topics;
}

function publish(link: FakeLink, ...topics: readonly string[]): void {
  for (const [i, topic] of topics.entries()) link.give(publishPacket(topic, "", { qos: 1, packetId: i + 1 }));
}

test("a message that waits for room in flight is not sent once its topic is forbidden, also after filters have followed", async () => {
  const fixture = await coreOf("u", "a/#", "b/#");
  const user = await fixture.connected("c", { username: "u", ...oneAtATime });
  user.give(subscribePacket(1, { topicFilter: "#" }));
  const publisher = await fixture.connected("publisher");
  publish(publisher, "a/1", "b/1", "a/2");
  await fixture.settle();
  fixture.setPolicy("u", reads("a/#"));
  await fixture.settle(); // and is re-indexed
  expect(await drained(fixture, user)).toEqual(["a/1", "a/2"]);
  expect(fixture.counters.messagesDropped.acl).toBe(1);
});

test("a message that waits with a member of a share group that may not read it any more goes to another", async () => {
  const fixture = await coreOf("u", "a/#");
  const opening: PolicyEntry = { actions: ["subscribe"], topic: "a/#", share: ["g"] };
  for (const subject of ["u", "v"]) fixture.setPolicy(subject, reads(opening));
  const first = await fixture.connected("first", { username: "u", ...oneAtATime });
  first.give(subscribePacket(1, { topicFilter: "$share/g/a/#" }));
  const publisher = await fixture.connected("publisher");
  publish(publisher, "a/1", "a/2");
  await fixture.settle();
  const second = await fixture.connected("second", { username: "v" });
  second.give(subscribePacket(1, { topicFilter: "$share/g/a/#" }));
  fixture.setPolicy("u", reads("b"));
  await fixture.settle();
  expect(await drained(fixture, first)).toEqual(["a/1"]);
  expect(await drained(fixture, second)).toEqual(["a/2"]);
});

test("a member of a share group gets a message at no more than the QoS of the entry that allows it", async () => {
  const fixture = await coreOf("u");
  fixture.setPolicy("u", reads({ actions: ["subscribe"], topic: "a/#", maxQos: 0 }, "b/#"));
  const member = await fixture.connected("c", { username: "u" });
  member.give(subscribePacket(1, { topicFilter: "$share/g/#", qos: 2 }));
  publish(await fixture.connected("publisher"), "a/1", "b/1");
  await fixture.settle();
  const sent = member.take("publish").map(({ topic, qos }) => [topic, qos]);
  expect(sent).toEqual([
    ["a/1", 0],
    ["b/1", 1],
  ]);
});

test("retained messages that a session is still owed are not sent to a principal that may not read them", async () => {
  const fixture = await coreOf("u", "a/#", "b/#");
  const publisher = await fixture.connected("publisher");
  for (const [i, topic] of ["a/1", "a/2", "b/1", "b/2"].entries())
    publisher.give(publishPacket(topic, "x", { qos: 1, packetId: i + 1, retain: true }));
  await fixture.settle();
  const properties = { sessionExpiryInterval: 3_600, receiveMaximum: 1 };
  const user = await fixture.persistent("c", { username: "u", properties });
  user.give(subscribePacket(1, { topicFilter: "#", retainHandling: 0 }));
  await fixture.settle();
  user.vanish();
  await fixture.settle();
  fixture.authenticator.policies.set("u", reads("a/#")); // whoever resumes the session comes with less
  const again = await fixture.persistent("c", { username: "u", properties });
  await fixture.settle();
  expect(await drained(fixture, again)).toEqual(["a/1", "a/2"]);
});

test.each([
  ["by filters", [] as PolicyEntry[]],
  ["by asking the policy", [{ effect: "deny", actions: ["subscribe"], topic: "z" }] as PolicyEntry[]],
])(
  "retained messages of a topic that becomes readable are sent, where it is granted %s",
  async (_, denies) => {
    const fixture = await coreOf("u");
    const hidden: PolicyEntry = { effect: "deny", actions: ["subscribe"], topic: "b/+" };
    fixture.setPolicy("u", reads("a/#", "b/#", hidden, ...denies));
    const publisher = await fixture.connected("publisher");
    for (const [i, topic] of ["a/1", "b/1"].entries())
      publisher.give(publishPacket(topic, "x", { qos: 1, packetId: i + 1, retain: true }));
    const user = await fixture.connected("c", { username: "u" });
    user.give(subscribePacket(1, { topicFilter: "#", retainHandling: 0 }));
    await fixture.settle();
    expect(await drained(fixture, user)).toEqual(["a/1"]);
    fixture.setPolicy("u", reads("a/#", "b/#", ...denies));
    await fixture.settle();
    expect(await drained(fixture, user)).toEqual(["b/1"]);
  },
);
