import { isIP } from "node:net";
import { plainAddress } from "./address-list.ts";
import type { AddressList } from "./address-list.ts";

/**
 * The client's address from X-Forwarded-For: the last one in it that is not a proxy of ours, since what stands before
 * it is the client's to invent. Undefined if there is none.
 */
export function forwardedAddress(
  header: string | string[] | undefined,
  proxies: AddressList,
): string | undefined {
  const named = [header ?? []].flat().join(",").split(",").toReversed();
  for (const entry of named) {
    const address = plainAddress(withoutPort(entry.trim()));
    if (isIP(address) === 0) return undefined;
    if (!proxies.has(address)) return address;
  }
  return undefined;
}

/** Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  const match = /^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$/.exec(entry);
  return match?.[1] ?? match?.[2] ?? entry;
}
