import { isIPv4, isIPv6 } from "node:net";

/** The client that a proxy speaks for. */
export interface ProxySource {
  readonly address: string;
  readonly port: number;
}

export type ProxyHeader =
  /** More bytes are needed. */
  | { readonly kind: "incomplete" }
  /** No PROXY header: the connection is to be closed. `reason` is for the log. */
  | { readonly kind: "bad"; readonly reason: string }
  /** `source` is absent where the proxy speaks for itself (a health check) or does not know. */
  | { readonly kind: "header"; readonly bytes: number; readonly source: ProxySource | undefined };

/** The PROXY protocol's own bound for version 1, with CR LF. */
const MAX_V1_BYTES = 107;
/** Addresses take 36 bytes at most; the rest is for TLVs, which are skipped. */
const MAX_V2_BODY_BYTES = 4_096;
const V2_HEADER_BYTES = 16;

const v1Start = Buffer.from("PROXY ", "latin1");
const v2Start = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

const INCOMPLETE: ProxyHeader = { kind: "incomplete" };

/**
 * Reads a PROXY protocol header (version 1 or 2) from the first bytes of a connection. Call it again with all bytes so
 * far until it is complete; that never takes more than 4,112.
 *
 * @see https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return INCOMPLETE;
  if (beginsLike(bytes, v1Start)) return parseV1(bytes);
  if (beginsLike(bytes, v2Start)) return parseV2(bytes);
  return bad("there is no PROXY header");
}

/** As far as both go. */
function beginsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf("\r\n", 0, "latin1");
  if (end >= 0) return parseLine(bytes.toString("latin1", 0, end), end + 2);
  return bytes.length < MAX_V1_BYTES ? INCOMPLETE : bad("the line of version 1 does not end");
}

function parseLine(line: string, bytes: number): ProxyHeader {
  const [, family, source, destination, sourcePort, destinationPort, ...more] = line.split(" ");
  if (family === "UNKNOWN") return { kind: "header", bytes, source: undefined };
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : undefined;
  if (isAddress === undefined) return bad("version 1 names neither TCP4 nor TCP6 nor UNKNOWN");
  if (!isAddress(source ?? "") || !isAddress(destination ?? "")) return bad("version 1 has a broken address");
  const port = parsePort(sourcePort);
  if (port === undefined || parsePort(destinationPort) === undefined)
    return bad("version 1 has a broken port");
  if (more.length > 0) return bad("version 1 has more fields than it should");
  return { kind: "header", bytes, source: { address: source as string, port } };
}

/** Decimal without leading zeros, as the protocol asks. */
function parsePort(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}

function parseV2(bytes: Buffer): ProxyHeader {
  if (bytes.length > 12 && (bytes[12] as number) >> 4 !== 2)
    return bad("the binary header is not of version 2");
  if (bytes.length > 12 && (bytes[12] as number) > 0x21) return bad("version 2 has an unknown command");
  if (bytes.length < V2_HEADER_BYTES) return INCOMPLETE;
  const bodyBytes = bytes.readUInt16BE(14);
  if (bodyBytes > MAX_V2_BODY_BYTES) return bad("version 2 is longer than 4,096 bytes");
  const size = V2_HEADER_BYTES + bodyBytes;
  return bytes.length < size ? INCOMPLETE : parseV2Source(bytes.subarray(0, size));
}

function parseV2Source(header: Buffer): ProxyHeader {
  const isLocal = header[12] === 0x20;
  const family = header[13] as number;
  const body = header.subarray(V2_HEADER_BYTES);
  if (isLocal || (family !== 0x11 && family !== 0x21)) return withSource(header, undefined);
  const addressBytes = family === 0x11 ? 4 : 16;
  if (body.length < 2 * addressBytes + 4) return bad("version 2 is shorter than its addresses");
  const address = body.subarray(0, addressBytes);
  const port = body.readUInt16BE(2 * addressBytes);
  return withSource(header, { address: family === 0x11 ? [...address].join(".") : ipv6Text(address), port });
}

function withSource(header: Buffer, source: ProxySource | undefined): ProxyHeader {
  return { kind: "header", bytes: header.length, source };
}

/** The canonical text, by way of the parser that every other address goes through as well. */
function ipv6Text(address: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(2 * index).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function bad(reason: string): ProxyHeader {
  return { kind: "bad", reason };
}
