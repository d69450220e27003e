import type { Socket } from "node:net";
import type { Clock } from "../core/ports/clock.ts";
import { parseProxyHeader } from "./proxy-header.ts";
import type { ProxyHeader } from "./proxy-header.ts";

/** A header that is there, or that will never be. */
export type ProxyOutcome = Exclude<ProxyHeader, { kind: "incomplete" }>;

/**
 * Takes the PROXY header from a socket's beginning. What follows stays in the socket, which is paused: it may be
 * MQTT, or a TLS handshake.
 */
export function readProxyHeader(socket: Socket, clock: Clock, timeoutMs: number): Promise<ProxyOutcome> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const finish = (outcome: ProxyOutcome): void => {
      timer.cancel();
      socket.off("data", onData).off("end", onEnd).off("close", onEnd).pause();
      if (outcome.kind === "header" && outcome.bytes < bytes.length)
        socket.unshift(bytes.subarray(outcome.bytes));
      resolve(outcome);
    };
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const header = parseProxyHeader(bytes);
      if (header.kind !== "incomplete") finish(header);
    };
    const onEnd = (): void => finish({ kind: "bad", reason: "the connection ended within the PROXY header" });
    const timer = clock.after(timeoutMs, () => finish({ kind: "bad", reason: "no PROXY header in time" }));
    socket.on("data", onData).on("end", onEnd).on("close", onEnd);
  });
}
