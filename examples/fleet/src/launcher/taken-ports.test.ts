import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { freePort } from "../process/free-port.ts";
import { takenPorts } from "./taken-ports.ts";

test("a port that another program has is told with what it is for, and the flag that chooses another one", async () => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const ports = {
    app: await freePort(),
    mqtt: port,
    http: undefined,
    ingest: undefined,
    database: undefined,
  };
  try {
    expect(await takenPorts(ports)).toEqual([
      `Port ${port} (the broker's MQTT) is taken by another program: stop it, or choose another with --mqtt-port.`,
    ]);
  } finally {
    other.close();
  }
});
