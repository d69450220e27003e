import { once } from "node:events";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { text } from "node:stream/consumers";

interface RestCall {
  readonly method: string;
  readonly port: number;
  readonly path: string;
  readonly token: string;
  /** Sent as JSON unless undefined. */
  readonly body: unknown;
  /** In PEM: over TLS, trusting it alone. `fetch` knows no such thing. */
  readonly ca: string | undefined;
}

/** Calls a broker on this machine, whatever it answers. */
export async function callRest(call: RestCall): Promise<{ status: number; text: string }> {
  const { method, port, path, token, ca } = call;
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { "content-type": "application/json" }),
  };
  const options = { host: "127.0.0.1", port, path, method, headers, agent: false };
  const request = ca === undefined ? requestHttp(options) : requestHttps({ ...options, ca });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return { status: response.statusCode ?? 0, text: await text(response) };
}
