import { describe, expect, test } from "vitest";
import type { BusPacket, Engine } from "../../core/ports/engine.ts";
import { type EngineUnderTest, expectError, quiet, record, textOf, until } from "./engine-under-contract.ts";
import { needs } from "./capability-contract.ts";

function heardBy(engine: Engine): BusPacket[] {
  const packets: BusPacket[] = [];
  engine.bus.onPacket((packet) => packets.push(packet));
  return packets;
}

function describeOneNode(under: EngineUnderTest): void {
  test("publish() never comes back to its sender", async () => {
    const engine = await under.open();
    const heard = heardBy(engine);
    await engine.bus.interest("default", ["#"], []);
    engine.bus.publish("default", "a", 1);
    await quiet();
    expect(heard).toEqual([]);
  });

  test("request() to the own node is answered by its own handler", async () => {
    const { bus, nodeId } = await under.open();
    bus.serve("double", async (body, fromNode) => ({ value: (body as number) * 2, fromNode }));
    expect(await bus.request(nodeId, "double", 21, 5_000)).toEqual({ value: 42, fromNode: nodeId });
  });

  test("request() to nobody, or of what nobody serves any longer, rejects with unavailable", async () => {
    const { bus, nodeId } = await under.open();
    await expectError(bus.request("nobody", "v", 1, 5_000), "unavailable");
    bus.serve("v", async () => 1).stop();
    await expectError(bus.request(nodeId, "v", 1, 5_000), "unavailable");
  });

  test("request() rejects with timeout, its outcome unknown, where no answer comes", async () => {
    const { bus, nodeId } = await under.open();
    bus.serve("never", () => new Promise(() => {}));
    await expect(bus.request(nodeId, "never", 1, 1)).rejects.toMatchObject({
      code: "timeout",
      maybeApplied: true,
    });
  });

  test("joinGroup() tells the members: this node", async () => {
    const { bus, nodeId } = await under.open();
    const members: (readonly string[])[] = [];
    bus.joinGroup("g", (nodeIds) => members.push(nodeIds));
    await until(() => members.length > 0);
    expect(members).toEqual([[nodeId]]);
  });
}

function describeTwoNodes(under: EngineUnderTest): void {
  test("publish() reaches a node once, in order, for the topics and tenants of its interest only", async () => {
    const [first, second] = await under.openPair();
    const heard = heardBy(second);
    await second.bus.interest("default", ["data/+/s1", "data/u1/#"], []);
    for (let index = 0; index < 100; index++) first.bus.publish("default", "data/u1/s1", { index });
    first.bus.publish("default", "data/u2/s2", "not wanted");
    first.bus.publish("other", "data/u1/s1", "of another tenant");
    first.bus.publish("default", "data/u2/s1", "last");
    await until(() => heard.length > 100);
    expect(heard.map((packet) => packet.body)).toEqual([
      ...Array.from({ length: 100 }, (_, index) => ({ index })),
      "last",
    ]);
    expect(heard[0]).toMatchObject({ tenant: "default", topic: "data/u1/s1", fromNode: first.nodeId });
  });

  test("interest() that was withdrawn is not heard of any longer", async () => {
    const [first, second] = await under.openPair();
    const heard = heardBy(second);
    await second.bus.interest("default", ["a", "b"], []);
    await second.bus.interest("default", [], ["a"]);
    first.bus.publish("default", "a", 1);
    first.bus.publish("default", "b", 2);
    await until(() => heard.length > 0);
    await quiet();
    expect(heard.map((packet) => packet.topic)).toEqual(["b"]);
  });

  test("request() is answered by the node it names; what the handler throws is unavailable", async () => {
    const [first, second] = await under.openPair();
    second.bus.serve("who", async (_body, fromNode) => `asked by ${fromNode}`);
    second.bus.serve("fail", () => Promise.reject(new Error("broken")));
    expect(await first.bus.request(second.nodeId, "who", null, 5_000)).toBe(`asked by ${first.nodeId}`);
    await expectError(first.bus.request(second.nodeId, "fail", null, 5_000), "unavailable");
  });

  test("joinGroup() tells each change of the members", async () => {
    const [first, second] = await under.openPair();
    const members: string[] = [];
    first.bus.joinGroup("g", (nodeIds) => members.push(nodeIds.join(" ")));
    await until(() => members.length > 0);
    const joined = second.bus.joinGroup("g", () => {});
    await until(() => members.length > 1);
    joined.stop();
    await until(() => members.length > 2);
    expect(members).toEqual([first.nodeId, [first.nodeId, second.nodeId].toSorted().join(" "), first.nodeId]);
  });

  test("the log is one: each node's tail shows what both append, in the same order", async () => {
    const nodes = await under.openPair();
    const seen: string[][] = [[], []];
    for (const [index, node] of nodes.entries()) {
      node.log.tail("default", {}, (stored) => seen[index]!.push(`${stored.seq} ${textOf(stored)}`));
    }
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        nodes[index % 2]!.log.append("default", record("t", String(index))),
      ),
    );
    await until(() => seen.every((events) => events.length === 40));
    expect(seen[0]).toEqual(seen[1]);
    const seqs = seen[0]!.map((event) => Number(event.split(" ")[0]));
    expect(seqs).toEqual(seqs.toSorted((left, right) => left - right));
  });
}

export function describeBus(under: EngineUnderTest): void {
  describe("bus: one node", () => describeOneNode(under));
  describe("bus: two nodes", needs(under, "openPair"), () => describeTwoNodes(under));
}
