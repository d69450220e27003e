import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packetBytes } from "@weir/testkit";
import { parseProxyHeader } from "./proxy-header.ts";

const v2 = "0d0a0d0a 000d0a51 5549540a";

describe("parseProxyHeader() version 1", () => {
  it.each([
    ["PROXY TCP4 192.0.2.7 198.51.100.1 4711 1883\r\n", { address: "192.0.2.7", port: 4711 }],
    ["PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n", { address: "2001:db8::7", port: 65_535 }],
    ["PROXY UNKNOWN\r\n", undefined],
    ["PROXY UNKNOWN ffff::1 whatever 1 2 3\r\n", undefined],
  ])("takes %j", (line, source) => {
    expect(parseProxyHeader(Buffer.from(`${line}rest`))).toEqual({
      kind: "header",
      bytes: line.length,
      source,
    });
  });

  it.each([
    ["PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n"],
    ["PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n"],
    ["PROXY TCP4 192.0.2.7 198.51.100.1 04711 1883\r\n"],
    ["PROXY TCP4 192.0.2.7 198.51.100.1 -1 1883\r\n"],
    ["PROXY TCP4 192.0.2.7 198.51.100.1 4711 1883 \r\n"],
    ["PROXY TCP4 192.0.2.7  198.51.100.1 4711 1883\r\n"],
    ["PROXY TCP4 192.0.2.777 198.51.100.1 4711 1883\r\n"],
    ["PROXY TCP4 2001:db8::7 2001:db8::1 4711 1883\r\n"],
    ["PROXY TCP6 192.0.2.7 198.51.100.1 4711 1883\r\n"],
    ["PROXY UDP4 192.0.2.7 198.51.100.1 4711 1883\r\n"],
    ["PROXY \r\n"],
    ["PROXY_TCP4 192.0.2.7 198.51.100.1 4711 1883\r\n"],
    ["proxy TCP4 192.0.2.7 198.51.100.1 4711 1883\r\n"],
    [`PROXY UNKNOWN ${"x".repeat(100)}\r\n`],
    ["\x10\x0d\0\x04MQTT"],
    ["GET / HTTP/1.1\r\n"],
  ])("refuses %j", (line) => {
    expect(parseProxyHeader(Buffer.from(line, "latin1")).kind).toBe("bad");
  });
});

describe("parseProxyHeader() version 2", () => {
  it.each([
    ["TCP over IPv4", `${v2} 21 11 000c c0000207 c6336401 1267 075b`, { address: "192.0.2.7", port: 4711 }],
    [
      "TCP over IPv6",
      `${v2} 21 21 0024 20010db8000000000000000000000007 20010db8000000000000000000000001 1267 075b`,
      { address: "2001:db8::7", port: 4711 },
    ],
    [
      "TLVs behind the addresses",
      `${v2} 21 11 0011 c0000207 c6336401 1267 075b 04 0002 0000`,
      { address: "192.0.2.7", port: 4711 },
    ],
    ["the proxy's own health check", `${v2} 20 00 0000`, undefined],
    ["LOCAL with addresses, which do not count", `${v2} 20 11 000c c0000207 c6336401 1267 075b`, undefined],
    ["an address family without addresses of IP", `${v2} 21 31 0000`, undefined],
    ["no family", `${v2} 21 00 0004 01020304`, undefined],
  ])("takes %s", (_, hex, source) => {
    const header = packetBytes(hex);
    const bytes = Buffer.concat([header, Buffer.from("rest")]);
    expect(parseProxyHeader(bytes)).toEqual({ kind: "header", bytes: header.length, source });
  });

  it.each([
    ["version 1 in the binary form", `${v2} 11 11 000c`],
    ["a command of the future", `${v2} 22 11 000c`],
    ["addresses that are cut off", `${v2} 21 11 000b c0000207 c6336401 1267 07`],
    ["more than 4,096 bytes", `${v2} 21 11 1001`],
    ["a broken signature", "0d0a0d0a 000d0a51 5549540b 21 11 000c"],
  ])("refuses %s", (_, hex) => {
    expect(parseProxyHeader(packetBytes(hex)).kind).toBe("bad");
  });
});

describe("parseProxyHeader() as bytes arrive", () => {
  const headers = [
    Buffer.from("PROXY TCP4 192.0.2.7 198.51.100.1 4711 1883\r\n"),
    Buffer.from("PROXY UNKNOWN\r\n"),
    packetBytes(`${v2} 21 11 0011 c0000207 c6336401 1267 075b 04 0002 0000`),
    packetBytes(`${v2} 20 00 0000`),
  ];

  it("is incomplete for every beginning, and the same header from its last byte on", () => {
    for (const header of headers) {
      for (let length = 0; length < header.length; length++) {
        expect(parseProxyHeader(header.subarray(0, length))).toEqual({ kind: "incomplete" });
      }
      expect(parseProxyHeader(Buffer.concat([header, header]))).toEqual(parseProxyHeader(header));
    }
  });

  it("never waits for more than 4,112 bytes, and never changes its mind", () => {
    const beginning = fc.constantFrom(
      "",
      "PROXY ",
      "PROXY TCP4 ",
      "\r\n\r\n\0\r\nQUIT\n",
      "\r\n\r\n\0\r\nQUIT\n\x21\x11",
    );
    fc.assert(
      fc.property(beginning, fc.uint8Array({ maxLength: 200 }), (start, random) => {
        const bytes = Buffer.concat([Buffer.from(start, "latin1"), random, Buffer.alloc(4_112)]);
        let first: unknown;
        for (let length = 0; length < bytes.length + 101; length += length < 300 ? 1 : 101) {
          const header = parseProxyHeader(bytes.subarray(0, Math.min(length, bytes.length)));
          if (header.kind !== "incomplete") first ??= header;
          if (first !== undefined) expect(header).toEqual(first);
        }
        expect(first).toBeDefined();
      }),
      { numRuns: 100 },
    );
  });
});
