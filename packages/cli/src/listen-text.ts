import type { BrokerAddresses, ListenAddress } from "@weir/server";

/** Host and port as a URL has them; an address that stands for all is shown as the one of this machine. */
export function placeText({ host, port }: ListenAddress): string {
  const shown = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${shown.includes(":") ? `[${shown}]` : shown}:${port}`;
}

/** The HTTP port's URL, without a path. */
export function urlText(http: BrokerAddresses["http"]): string {
  return `${http.isTls ? "https" : "http"}://${placeText(http)}`;
}
