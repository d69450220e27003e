import { describe, expect, it } from "vitest";
import { AddressList } from "./address-list.ts";
import { forwardedAddress } from "./forwarded-address.ts";

describe("AddressList", () => {
  const list = new AddressList(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1"]);

  it.each(["10.255.0.1", "192.0.2.1", "2001:db8:1::1", "::1", "::ffff:10.0.0.1"])("has %s", (address) => {
    expect(list.has(address)).toBe(true);
  });

  it.each(["11.0.0.1", "192.0.2.2", "2001:db9::1", "::2", "", "proxy.example"])(
    "does not have %j",
    (address) => {
      expect(list.has(address)).toBe(false);
    },
  );

  it.each(["10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "2001:db8::/129", "proxy.example", "", "10.0.0.0/8/8"])(
    "refuses the entry %j by its name",
    (entry) => {
      expect(() => new AddressList([entry])).toThrow(`"${entry}" is no address or range`);
    },
  );
});

describe("forwardedAddress()", () => {
  const proxies = new AddressList(["10.0.0.0/8"]);

  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["6.6.6.6, 192.0.2.7, 10.0.0.2", "192.0.2.7"],
    ["192.0.2.7:4711", "192.0.2.7"],
    ["[2001:db8::7]:4711", "2001:db8::7"],
    ["2001:db8::7", "2001:db8::7"],
    ["10.0.0.3, 10.0.0.2", undefined],
    ["192.0.2.7, unknown", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("finds in %j the client %j", (header, address) => {
    expect(forwardedAddress(header, proxies)).toBe(address);
  });
});
