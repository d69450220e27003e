import { isLoopbackAddress, parseIpAddress } from "../core/access/ip-network.ts";

/** What of a request says whether it comes from this machine or from a web page of somebody else's. */
export interface RequestOrigin {
  readonly address: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
}

/**
 * Whether the Host header names this server by an address, as localhost, or by a name it is known to have. A web page
 * that has its own name point here (DNS rebinding) comes with that name.
 */
export function isKnownHost(host: string | undefined, names: readonly string[]): boolean {
  const name = hostName(host);
  if (name === undefined) return false;
  return (
    name === "localhost" ||
    parseIpAddress(name) !== undefined ||
    names.some((known) => known.toLowerCase() === name)
  );
}

/** Whether a page that a browser shows comes from the very host that it talks to. */
export function isSameOrigin(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  const target = `${page.protocol}//${host}`;
  return URL.canParse(target) && new URL(target).host === page.host && /^https?:$/.test(page.protocol);
}

/** Whether a request surely comes from a program on this machine, or from a page of this server opened on it. */
export function isLocalRequest(request: RequestOrigin, names: readonly string[]): boolean {
  const { address, host, origin } = request;
  if (!isLoopbackAddress(address) || !isKnownHost(host, names)) return false;
  return origin === undefined || isSameOrigin(origin, host);
}

/** In lower case, without port and brackets. */
function hostName(host: string | undefined): string | undefined {
  const found = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::\d{1,5})?$/i.exec(host ?? "");
  return (found?.[1] ?? found?.[2])?.toLowerCase();
}
