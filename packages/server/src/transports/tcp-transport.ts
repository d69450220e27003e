import { SocketListener } from "./socket-listener.ts";
import { SocketStream } from "./socket-stream.ts";
import type { SocketTransportOptions, Transport } from "./transport.ts";

/** MQTT over plain TCP. */
export class TcpTransport implements Transport {
  readonly #listener: SocketListener;

  /** @throws RangeError if `proxies` has something that is no address */
  constructor(options: SocketTransportOptions) {
    const { acceptor } = options;
    this.#listener = new SocketListener(options, (socket, { address, port }) => {
      acceptor.accept(new SocketStream(socket), { transport: "tcp", address, port });
    });
  }

  listen(): Promise<{ readonly port: number }> {
    return this.#listener.listen();
  }

  close(): Promise<void> {
    return this.#listener.close();
  }
}
