import { BlockList, isIP } from "node:net";

/** A set of IP addresses, written as single ones and CIDR ranges. */
export class AddressList {
  readonly #addresses = new BlockList();
  readonly #isEmpty: boolean;

  /** @throws RangeError that names what is neither an address nor a range */
  constructor(entries: readonly string[]) {
    this.#isEmpty = entries.length === 0;
    for (const entry of entries) this.#add(entry);
  }

  has(address: string): boolean {
    if (this.#isEmpty) return false;
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && this.#addresses.check(plain, version === 4 ? "ipv4" : "ipv6");
  }

  #add(entry: string): void {
    const [address = "", prefix, ...more] = entry.split("/");
    const version = isIP(address);
    const maxPrefix = version === 4 ? 32 : 128;
    const bits = prefix === undefined ? maxPrefix : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Infinity;
    if (version === 0 || bits > maxPrefix || more.length > 0)
      throw new RangeError(`"${entry}" is no address or range`);
    this.#addresses.addSubnet(address, bits, version === 4 ? "ipv4" : "ipv6");
  }
}

/** An IPv4 address that came over an IPv6 socket, in its own form. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}
