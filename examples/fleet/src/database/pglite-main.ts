// The embedded database as a process of its own: PostgreSQL's protocol on a port of the loopback address.
//   node pglite-main.ts DIRECTORY PORT
import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { endOnSignal } from "../process/end-on-signal.ts";

const MAX_CONNECTIONS = 64;

const [directory, port] = process.argv.slice(2);
if (!directory || !port) throw new Error("usage: pglite-main.ts DIRECTORY PORT");

const db = await PGlite.create({ dataDir: directory });
const server = new PGLiteSocketServer({
  db,
  host: "127.0.0.1",
  port: Number(port),
  maxConnections: MAX_CONNECTIONS,
});
await server.start();
process.stdout.write("ready\n");

endOnSignal(async () => {
  await server.stop();
  await db.close();
});
