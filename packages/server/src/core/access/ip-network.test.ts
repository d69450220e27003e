import { describe, expect, it } from "vitest";
import { isLoopbackAddress, networkContains, parseIpNetwork } from "./ip-network.ts";

function contains(network: string, address: string): boolean {
  const parsed = parseIpNetwork(network);
  if (!parsed) throw new Error(`${network} is no network`);
  return networkContains(parsed, address);
}

describe("parseIpNetwork()", () => {
  it.each([
    "",
    "10.0.0.1/8",
    "10.0.0.0/33",
    "10.0.0/8",
    "010.0.0.0/8",
    "256.0.0.0/8",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "localhost",
    "2001:db8::1/32",
    "2001:db8::/129",
    "::1::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "g::",
    "12345::",
    "1.2.3.4::",
    "10.0.0.0/-1",
  ])("refuses %j", (text) => {
    expect(parseIpNetwork(text)).toBeUndefined();
  });

  it.each([
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/8", "::ffff:10.1.2.3", true],
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7", "192.0.2.8", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "203.0.113.9", true],
    ["2001:db8::/32", "2001:db8:ffff::1", true],
    ["2001:db8::/32", "2001:db9::1", false],
    ["fe80::/10", "fe80::1%eth0", true],
    ["::1", "::1", true],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", true],
    ["::ffff:10.0.0.0/104", "10.9.9.9", true],
    ["10.0.0.0/8", "not an address", false],
  ])("%s contains %s: %s", (network, address, expected) => {
    expect(contains(network, address)).toBe(expected);
  });
});

describe("isLoopbackAddress()", () => {
  it.each([
    ["127.0.0.1", true],
    ["127.8.8.8", true],
    ["::1", true],
    ["::ffff:127.0.0.1", true],
    ["128.0.0.1", false],
    ["10.0.0.1", false],
    ["::2", false],
    ["localhost", false],
  ])("%s: %s", (address, expected) => {
    expect(isLoopbackAddress(address)).toBe(expected);
  });
});
