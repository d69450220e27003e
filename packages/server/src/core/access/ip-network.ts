/** A block of addresses, IPv4 as the IPv6 addresses that it is mapped to (RFC 4291 section 2.5.5.2). */
export interface IpNetwork {
  /** 128 bits, those behind the prefix cleared. */
  readonly address: bigint;
  /** 0 to 128. */
  readonly prefixBits: number;
}

const ADDRESS_BITS = 128;
const MAPPED_IPV4 = 0xffffn << 32n;
const MAPPED_PREFIX_BITS = 96;

/**
 * Takes an address such as `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`.
 *
 * @returns undefined if it is none, or has bits set behind the prefix (`10.0.0.1/8`: what was meant is not clear)
 */
export function parseIpNetwork(text: string): IpNetwork | undefined {
  const found = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = found?.[1] === undefined ? undefined : parseIpAddress(found[1]);
  if (address === undefined || found === null) return undefined;
  const isIpv4 = !text.includes(":");
  const given = found[2] === undefined ? undefined : Number(found[2]);
  if (isIpv4 && given !== undefined && given > 32) return undefined;
  const prefixBits = given === undefined ? ADDRESS_BITS : given + (isIpv4 ? MAPPED_PREFIX_BITS : 0);
  if (prefixBits > ADDRESS_BITS) return undefined;
  const network: IpNetwork = { address, prefixBits };
  return upperBits(address, network) << BigInt(ADDRESS_BITS - prefixBits) === address ? network : undefined;
}

/** Whether the address lies in the network; an IPv4 address and its IPv4-mapped IPv6 form are the same. */
export function networkContains(network: IpNetwork, address: string): boolean {
  const bits = parseIpAddress(address);
  return bits !== undefined && upperBits(bits, network) === upperBits(network.address, network);
}

/** 127.0.0.0/8 and ::1: what never left the machine. */
export function isLoopbackAddress(address: string): boolean {
  return LOOPBACK.some((network) => networkContains(network, address));
}

/** The 128 bits of an IPv4 or IPv6 address, or undefined. A zone (`%eth0`) does not count. */
export function parseIpAddress(text: string): bigint | undefined {
  return text.includes(":") ? parseIpv6(text.replace(/%[^%]+$/, "")) : mapped(parseIpv4(text));
}

const LOOPBACK: readonly IpNetwork[] = [
  { address: MAPPED_IPV4 | (127n << 24n), prefixBits: MAPPED_PREFIX_BITS + 8 },
  { address: 1n, prefixBits: ADDRESS_BITS },
];

function upperBits(address: bigint, network: IpNetwork): bigint {
  return address >> BigInt(ADDRESS_BITS - network.prefixBits);
}

function mapped(ipv4: bigint | undefined): bigint | undefined {
  return ipv4 === undefined ? undefined : MAPPED_IPV4 | ipv4;
}

/** Four decimal numbers without leading zeros, which some readers take for octal. */
function parseIpv4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, i) => parseGroups(half, i === halves.length - 1));
  if (!head) return undefined;
  if (halves.length === 1) return head.length === 8 ? joinGroups(head) : undefined;
  if (!tail || head.length + tail.length > 7) return undefined;
  const zeros = new Array<bigint>(8 - head.length - tail.length).fill(0n);
  return joinGroups([...head, ...zeros, ...tail]);
}

/** The groups of 16 bits on one side of `::`; a dotted IPv4 address at the very end makes two. */
function parseGroups(text: string, isLast: boolean): bigint[] | undefined {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(BigInt(`0x${part}`));
      continue;
    }
    const ipv4 = isLast && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (ipv4 === undefined) return undefined;
    groups.push(ipv4 >> 16n, ipv4 & 0xffffn);
  }
  return groups;
}

function joinGroups(groups: readonly bigint[]): bigint {
  return groups.reduce((bits, group) => (bits << 16n) | group, 0n);
}
