import { describe, expect, it } from "vitest";
import { encodePacket } from "@weir/protocol";
import type { ProtocolVersion } from "@weir/protocol";
import { Bystanders } from "../../testing/hostile/bystanders.ts";
import { type BrokerProcess, startBrokerProcess } from "../../testing/hostile/broker-process.ts";
import { RawSocket } from "../../testing/hostile/raw-socket.ts";

const FLOOD = 600;
/** The half of the line that one address may fill takes 4 s to come in. */
const limits = { connectRate: 25, connectQueue: 200 };

function connectPacket(clientId: string, protocolVersion: ProtocolVersion = 5): Uint8Array {
  const fields = { clientId, cleanStart: true, keepAlive: 0, properties: {} } as const;
  return encodePacket({ type: "connect", protocolVersion, ...fields }, protocolVersion);
}

/** All at once, from an address of its own. */
async function flood(broker: BrokerProcess, version: ProtocolVersion = 5): Promise<RawSocket[]> {
  const sockets = await RawSocket.openMany(FLOOD, broker.addresses.mqtt.port, { from: "127.0.0.2" });
  for (const [at, socket] of sockets.entries()) socket.send(connectPacket(`flood-${at}`, version));
  return sockets;
}

/** CONNACK's code; undefined while there is none. */
function connackCode({ received }: RawSocket): number | undefined {
  return received[0] === 0x20 ? received[3] : undefined;
}

function countOf(sockets: readonly RawSocket[], code: number): number {
  return sockets.filter((socket) => connackCode(socket) === code).length;
}

describe("a flood of CONNECTs", () => {
  it("fills half of the line, is refused with 0x9F beyond it, and neither clients nor newcomers wait for it", async () => {
    const broker = await startBrokerProcess({ limits });
    const bystanders = await Bystanders.start(broker);
    const sockets = await flood(broker);
    await expect.poll(() => countOf(sockets, 0x9f)).toBeGreaterThan(FLOOD / 2);
    const newcomer = await broker.connect({ clientId: "newcomer" });
    await newcomer.expectSilence();
    expect(
      await broker.metric("weir_connects_waiting"),
      "the newcomer has not waited for the flood",
    ).toBeGreaterThan(0);
    const answered = (): number => countOf(sockets, 0) + countOf(sockets, 0x9f);
    await expect.poll(answered).toBe(FLOOD);
    expect(countOf(sockets, 0)).toBeGreaterThanOrEqual(limits.connectQueue / 2);
    const reached = await broker.metric('weir_limit_reached_total{limit="limits.connectRate"}');
    expect(reached).toBeGreaterThanOrEqual(countOf(sockets, 0x9f));
    expect((await bystanders.stop()).exchanged).toBeGreaterThan(10);
    expect((await broker.measure()).errors).toEqual([]);
    await broker.stop();
  });

  it("is told 0x03 in 3.1.1, which has no code for it", async () => {
    const broker = await startBrokerProcess({ limits: { connectRate: 1, connectQueue: 1 } });
    const sockets = await flood(broker, 4);
    await expect.poll(() => countOf(sockets, 3)).toBeGreaterThan(FLOOD - 10);
    await broker.stop();
  });

  it("that waits in the line and leaves, leaves nothing there", async () => {
    const broker = await startBrokerProcess({ limits: { connectRate: 1, connectQueue: 2_000 } });
    const before = await broker.measure();
    const sockets = await flood(broker);
    await expect.poll(() => broker.metric("weir_connects_waiting")).toBeGreaterThan(FLOOD - 50);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => broker.metric("weir_connects_waiting")).toBe(0);
    await expect.poll(() => broker.metric("weir_connections")).toBe(0);
    const now = await broker.measure();
    expect(now.openFiles - before.openFiles).toBeLessThanOrEqual(3);
    expect(now.liveMegabytes - before.liveMegabytes).toBeLessThan(8);
    await broker.stop();
  });

  it("that connects and leaves all the time is paced: each connects in the end", async () => {
    const broker = await startBrokerProcess({ limits: { connectRate: 500, connectQueue: 1_000 } });
    const bystanders = await Bystanders.start(broker);
    const churn = async (): Promise<void> => {
      for (let round = 0; round < 20; round++) {
        const socket = await RawSocket.open(broker.addresses.mqtt.port, { from: "127.0.0.2" });
        socket.send(connectPacket("churn"));
        await socket.receive(4);
        expect(connackCode(socket)).toBe(0);
        socket.destroy();
      }
    };
    await Promise.all(Array.from({ length: 20 }, churn));
    expect((await bystanders.stop()).exchanged).toBeGreaterThan(10);
    await broker.stop();
  });
});
