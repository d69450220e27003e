import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ADMIN_TOKEN, type BrokerProcess, startBrokerProcess } from "../../testing/hostile/broker-process.ts";
import { RawSocket } from "../../testing/hostile/raw-socket.ts";

const SMUGGLED = `GET /api/v1/tokens HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`;
const UPGRADE = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n`;

function request(head: string, body = ""): string {
  return `${head.replaceAll("\n", "\r\n")}\r\n\r\n${body}`;
}

/** How many requests were answered, and the status of each. */
function statuses(answer: Buffer): number[] {
  return [...answer.toString("latin1").matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

describe("requests of which two readers might make two different things, on the port that REST and MQTT share", () => {
  let broker: BrokerProcess;

  beforeAll(async () => {
    broker = await startBrokerProcess({ limits: { connectTimeoutS: 1 } });
  });
  afterAll(() => broker.stop());

  /** What is answered until the broker closes, or says nothing for a while. */
  async function answerTo(bytes: string): Promise<{ statuses: number[]; isClosed: boolean }> {
    const socket = await RawSocket.open(broker.addresses.http.port);
    socket.send(Buffer.from(bytes, "latin1"));
    await socket.closed();
    return { statuses: statuses(socket.received), isClosed: socket.isClosed };
  }

  const chunked = `0\r\n\r\n${SMUGGLED}`;
  it.each([
    [
      "Content-Length and Transfer-Encoding",
      request(
        "POST /api/v1/messages HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked",
        chunked,
      ),
    ],
    [
      "Transfer-Encoding and Content-Length",
      request(
        "POST /api/v1/messages HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 5",
        chunked,
      ),
    ],
    [
      "two different Content-Lengths",
      request("POST /api/v1/messages HTTP/1.1\nHost: a\nContent-Length: 0\nContent-Length: 44", SMUGGLED),
    ],
    [
      "a list of Content-Lengths",
      request("POST /api/v1/messages HTTP/1.1\nHost: a\nContent-Length: 0, 44", SMUGGLED),
    ],
    [
      "a negative Content-Length",
      request("POST /api/v1/messages HTTP/1.1\nHost: a\nContent-Length: -1", SMUGGLED),
    ],
    [
      "a Content-Length with a sign",
      request("POST /api/v1/messages HTTP/1.1\nHost: a\nContent-Length: +0", SMUGGLED),
    ],
    [
      "a Content-Length beyond all numbers",
      request(`POST /api/v1/messages HTTP/1.1\nHost: a\nContent-Length: ${"9".repeat(40)}`, SMUGGLED),
    ],
    [
      "a transfer coding that is only nearly chunked",
      request("POST /api/v1/messages HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked", chunked),
    ],
    [
      "chunked twice",
      request(
        "POST /api/v1/messages HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked, identity",
        chunked,
      ),
    ],
    [
      "a blank before the colon",
      request("POST /api/v1/messages HTTP/1.1\nHost: a\nTransfer-Encoding : chunked", chunked),
    ],
    [
      "a folded header",
      request("POST /api/v1/messages HTTP/1.1\nHost: a\nX: b\n Transfer-Encoding: chunked", chunked),
    ],
    ["a bare line feed between headers", `GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n${SMUGGLED}`],
    ["a NUL in a header", request("GET / HTTP/1.1\nHost: a\nX: \0", SMUGGLED)],
    [
      "a chunk size that is none",
      request("POST /api/v1/messages HTTP/1.1\nHost: a\nTransfer-Encoding: chunked", `-1\r\n\r\n${SMUGGLED}`),
    ],
    ["HTTP/9.9", request("GET / HTTP/9.9\nHost: a", SMUGGLED)],
    ["MQTT", "\x10\x10\0\x04MQTT\x05\x02\0\0\0\0\x03abc"],
    ["100 kB of headers", request(`GET / HTTP/1.1\nHost: a\nX: ${"x".repeat(100_000)}`, SMUGGLED)],
    ["a path of 100 kB", request(`GET /${"x".repeat(100_000)} HTTP/1.1\nHost: a`, SMUGGLED)],
  ])(
    "%s: one refusal at most, the connection ends, and what comes behind is not read",
    async (_what, bytes) => {
      const answer = await answerTo(bytes);
      expect(answer.statuses.length).toBeLessThanOrEqual(1);
      for (const status of answer.statuses)
        expect(status === 431 || (status >= 400 && status < 404)).toBe(true);
    },
  );

  it.each([
    ["with a Content-Length", `Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED],
    ["with chunks", "Transfer-Encoding: chunked\r\n", chunked],
    ["for another path", "", SMUGGLED, "/api/v1/tokens"],
    ["for h2c", "", SMUGGLED, "/mqtt", "Upgrade: h2c\r\nConnection: Upgrade\r\n"],
  ])(
    "an upgrade %s: one refusal, and what comes behind is not read",
    async (_what, headers, body, path = "/mqtt", upgrade = UPGRADE) => {
      const answer = await answerTo(`GET ${path} HTTP/1.1\r\nHost: a\r\n${upgrade}${headers}\r\n${body}`);
      expect(answer.statuses).toHaveLength(1);
      expect(answer.statuses[0]).toBeGreaterThanOrEqual(400);
    },
  );

  it("a request pipelined behind an upgrade is a broken frame, and no request", async () => {
    const answer = await answerTo(`GET /mqtt HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n${SMUGGLED}`);
    expect(answer.statuses).toEqual([101]);
  });

  it("two requests in good order are two requests", async () => {
    const first = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    const answer = await answerTo(`${first}${SMUGGLED.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")}`);
    expect(answer.statuses).toEqual([200, 200]);
  });

  it("afterwards a client is served, and nothing was an error of the broker's", async () => {
    const client = await broker.connect({ over: "ws" });
    await client.expectSilence();
    expect((await broker.measure()).errors).toEqual([]);
  });
});
