import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrokerFixture, type FakeClock, makeCertificates, startBroker } from "@weir/testkit";
import type { Address, Transport } from "./real-client.ts";

/** With room for a payload of 10 MB. */
const MAX_PACKET_BYTES = 16 * 1_048_576;

/** Two brokers, since one port speaks HTTP or HTTPS: the second one serves TLS and secure WebSockets. */
export interface BrokerPair {
  brokerFor(over: Transport): BrokerFixture;
  addressFor(over: Transport): Address;
  close(): Promise<void>;
}

/** Nobody is let in without a token. @param clock the system's by default */
export async function startBrokerPair(clock?: FakeClock): Promise<BrokerPair> {
  const certificates = makeCertificates();
  const folder = mkdtempSync(join(tmpdir(), "weir-ca-"));
  const caFile = join(folder, "ca.pem");
  writeFileSync(caFile, certificates.ca.cert);
  const options = {
    ...(clock && { clock }),
    mqtt: { maxPacketBytes: MAX_PACKET_BYTES },
    anonymous: { allow: "nobody" },
  } as const;
  const plain = await startBroker(options);
  const secure = await startBroker({ ...options, certificates });
  const brokerFor = (over: Transport): BrokerFixture => (over === "tls" || over === "wss" ? secure : plain);
  return {
    brokerFor,
    addressFor: (over) => {
      const { mqtt, mqttTls, http } = brokerFor(over).addresses;
      const ports = { tcp: mqtt.port, tls: mqttTls?.port ?? 0, ws: http.port, wss: http.port };
      return { over, port: ports[over], ca: certificates.ca.cert, caFile };
    },
    close: async () => {
      await Promise.all([plain.close(), secure.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
