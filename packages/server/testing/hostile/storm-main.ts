import { connect, type Socket } from "node:net";
import { encodePacket } from "@weir/protocol";
import type { StormReport } from "./storm.ts";

// Many clients that connect at the same moment, in a process of their own: see `startStorm`.

interface StormOptions {
  readonly port: number;
  readonly count: number;
  readonly password?: string;
}

const { port, count, password } = JSON.parse(process.argv[2] ?? "{}") as StormOptions;
const RETRY_MS = 500;
const startedAtMs = performance.now();
const sockets = new Set<Socket>();
/** When each was let in, in ms from the start. */
const admittedAtMs: number[] = [];
let refused = 0;
let cut = 0;

for (let index = 0; index < count; index++) open(index);
process.on("message", () => {
  for (const socket of sockets) socket.destroy();
  process.exit(0);
});
process.on("disconnect", () => process.exit(0));

function open(index: number): void {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  let isAnswered = false;
  sockets.add(socket);
  socket.on("error", () => undefined);
  socket.on("connect", () => socket.write(connectPacket(index)));
  socket.on("data", (bytes) => {
    if (isAnswered) return;
    isAnswered = true;
    if (bytes[3] === 0) admitted();
    else refused += 1;
  });
  socket.on("close", () => {
    sockets.delete(socket);
    if (!isAnswered) cut += 1;
    setTimeout(() => open(index), RETRY_MS * (0.5 + Math.random()));
  });
}

function connectPacket(index: number): Uint8Array {
  const fields = { cleanStart: true, keepAlive: 600, properties: {}, clientId: `storm-${index}` } as const;
  const credential = password === undefined ? {} : { password: Buffer.from(password) };
  return encodePacket({ type: "connect", protocolVersion: 5, ...fields, ...credential }, 5);
}

function admitted(): void {
  admittedAtMs.push(performance.now() - startedAtMs);
  if (admittedAtMs.length === count) process.send?.({ admittedAtMs, refused, cut } satisfies StormReport);
}
