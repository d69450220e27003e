import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { PGlite } from "@electric-sql/pglite";
import { FrontendMessages, isTerminate } from "./frontend-messages.ts";

/** Codes in the place of a protocol version: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;

interface Turn {
  readonly socket: Socket;
  readonly messages: readonly Buffer[];
}

/**
 * Lets several clients share a PGlite, which is one connection, by PostgreSQL's own protocol. Each has its turn for as
 * long as its messages belong together: until a Sync, and until the end of a transaction. (pglite-socket 0.2 takes turns
 * by single messages: the unnamed statement of one client is then bound by another.)
 */
export class PgliteServer {
  readonly #db: PGlite;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #turns: Turn[] = [];
  /** Whose transaction is open. */
  #holder: Socket | undefined;
  #isWorking = false;

  constructor(db: PGlite) {
    this.#db = db;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    const messages = new FrontendMessages();
    socket.on("data", (chunk) => {
      try {
        messages.push(chunk);
        this.#read(socket, messages);
      } catch {
        socket.destroy();
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#turns = this.#turns.filter((turn) => turn.socket !== socket);
      void this.#work();
    });
  }

  #read(socket: Socket, messages: FrontendMessages): void {
    for (let startup = messages.takeStartup(); startup; startup = messages.takeStartup())
      this.#begin(socket, messages, startup);
    for (let group = messages.takeGroup(); group; group = messages.takeGroup())
      this.#turns.push({ socket, messages: group });
    void this.#work();
  }

  #begin(socket: Socket, messages: FrontendMessages, startup: Buffer): void {
    const code = startup.readInt32BE(4);
    if (code === SSL_REQUEST || code === GSS_REQUEST) socket.write("N");
    else if (code === CANCEL_REQUEST) socket.end();
    else {
      messages.started();
      this.#turns.push({ socket, messages: [startup] });
    }
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    await this.#releaseLost();
    for (let turn = this.#nextTurn(); turn; turn = this.#nextTurn()) {
      await this.#take(turn);
      await this.#releaseLost();
    }
    this.#isWorking = false;
  }

  #nextTurn(): Turn | undefined {
    const index = this.#holder ? this.#turns.findIndex(({ socket }) => socket === this.#holder) : 0;
    return index === -1 ? undefined : this.#turns.splice(index, 1)[0];
  }

  async #take({ socket, messages }: Turn): Promise<void> {
    try {
      await this.#db.runExclusive(async () => {
        for (const message of messages) {
          if (isTerminate(message)) socket.end();
          else await this.#db.execProtocolRawStream(message, { onRawData: (data) => write(socket, data) });
        }
      });
    } catch {
      socket.destroy(); // it cannot know what was done: it connects again and looks
    }
    this.#holder = this.#db.isInTransaction() ? socket : undefined;
  }

  /** A client that went away inside a transaction has not committed it. */
  async #releaseLost(): Promise<void> {
    if (!this.#holder?.destroyed) return;
    this.#holder = undefined;
    await this.#db.exec("ROLLBACK");
  }
}

/** What PGlite gives is a view of its memory. */
function write(socket: Socket, data: Uint8Array): void {
  if (socket.writable) socket.write(Buffer.from(data));
}
