import type { Server } from "node:net";

/** Nothing can be accepted at this address; the message says what is wrong and what to do. */
class ListenError extends Error {
  /** Of the system, such as EADDRINUSE. */
  readonly code: string;

  constructor(code: string, message: string, cause: unknown) {
    super(message, { cause });
    this.name = "ListenError";
    this.code = code;
  }
}

/**
 * Connections that the system may hold for us until they are accepted (as far as its own bound allows). A client that
 * finds no place there tries again after 1, 3 and 7 s: after a restart thousands come at once.
 */
const BACKLOG = 65_535;

const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there: stop it, or choose another port",
  EACCES: "the system does not allow it: choose a port above 1023, or give the program the right to bind",
  EADDRNOTAVAIL: "this machine does not have that address: choose one of its own, or 0.0.0.0 for all",
  ENOTFOUND: "that name has no address: give an IP address, or a name that resolves",
  EAFNOSUPPORT: "the system does not speak that kind of address",
};

/**
 * Listens, and resolves with the port (the one that the system chose, if 0 was asked for).
 *
 * @throws ListenError if that fails
 */
export function listenOn(server: Server, host: string, port: number): Promise<{ port: number }> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port));
    server.once("error", fail);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off("error", fail);
      resolve({ port: portOf(server) ?? port });
    });
  });
}

/** The port that a server listens on; undefined while it does not. */
export function portOf(server: Server): number | undefined {
  const address = server.address();
  return typeof address === "object" ? address?.port : undefined;
}

/** Stops accepting; open connections stay. Resolves when the port is free. */
export function stopListening(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve();
  server.close();
  return new Promise((resolve) => setImmediate(resolve));
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): ListenError {
  const code = error.code ?? "UNKNOWN";
  const remedy = remedies[code] ?? error.message;
  return new ListenError(code, `cannot listen on ${host} port ${port} (${code}): ${remedy}`, error);
}
