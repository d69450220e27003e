import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decoderOf, refusalOf } from "../testing/wire.ts";
import { loadVectors, parseVectorBytes, vectorDirectory } from "../testing/vector.ts";
import { encodePacket, ProtocolError } from "./index.ts";
import type { ProtocolVersion } from "./index.ts";
import type { Vector } from "../testing/vector.ts";

const reason = `the packet vectors of eclipse/mosquitto are not at ${vectorDirectory}`;

/** Vectors that end in a close for what a codec cannot see: the bytes are good, the session is not. */
const sessionMatters: readonly RegExp[] = [
  /CONNECT 10 empty client ID( clean false.*)?$/, // identifier rejected
  /CONNECT tiny max packet/, // CONNACK would be larger than the client takes
  /CONNECT EXTENDED AUTH/, // method not supported
  /PUBLISH 34 QoS 2 Dup flow/,
  /PUBLISH ALLOWED PROPERTIES topic alias > max topic alias/,
  /PUBLISH ALLOWED PROPERTIES topic-alias \(two byte integer\) no topic/,
  /FLOW (QoS 1 PUBLISH-PUB|QoS 2 PUBLISH-PUB)/, // acknowledgements out of order
  /DISCONNECT E0 (valid|RC=|non-zero session expiry|long$)/, // the close that a good DISCONNECT asks for
  /DISCONNECT ALLOWED PROPERTIES/,
];

function refusalOfVector(vector: Vector): unknown {
  const sent = vector.messages.filter((message) => message.type === "send");
  const chunks = sent.map((message) => parseVectorBytes(message.payload));
  return refusalOf(decoderOf({}), ...(vector.isConnected ? [connectOf(vector.version)] : []), ...chunks);
}

function connectOf(protocolVersion: ProtocolVersion): Uint8Array {
  const fields = { cleanStart: true, keepAlive: 60, clientId: "vector", properties: {} };
  return encodePacket({ type: "connect", protocolVersion, ...fields }, protocolVersion);
}

const isThere = existsSync(vectorDirectory);

describe("the packet vectors of mosquitto's suite", { skip: !isThere, meta: { skipReason: reason } }, () => {
  const vectors = isThere ? loadVectors() : [];

  it("are all there", () => {
    expect(vectors.length).toBeGreaterThan(1_000);
  });

  it("need every entry of the list of session matters", () => {
    const taken = vectors.filter((vector) => vector.endsInClose && refusalOfVector(vector) === undefined);
    const unneeded = sessionMatters.filter((matter) => !taken.some((vector) => matter.test(vector.title)));
    expect(unneeded).toEqual([]);
  });

  it.each(vectors)("$title", (vector) => {
    const refusal = refusalOfVector(vector);
    if (refusal === undefined && vector.endsInClose) {
      expect(sessionMatters.some((matter) => matter.test(vector.title))).toBe(true);
    } else if (vector.endsInClose) {
      expect(refusal).toBeInstanceOf(ProtocolError);
    } else {
      expect(refusal).toBeUndefined();
    }
  });
});
