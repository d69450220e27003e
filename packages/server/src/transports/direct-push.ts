import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * Has a socket emit what it reads at once where nobody waits for anything else. Node's own `push` asks after every
 * chunk, on a tick of its own, whether there is more to read: work for a stream that is pulled, and none for one whose
 * system reads by itself. A Node that reads without `push` would emit as ever.
 */
export function pushDirectly(socket: Socket): void {
  socket.push = pushOrEmit;
}

function pushOrEmit(this: Socket, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null || this.readableFlowing !== true || this.readableLength > 0)
    return Duplex.prototype.push.call(this, chunk, encoding);
  this.emit("data", chunk);
  return true;
}
