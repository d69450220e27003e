// The embedded database as a process of its own: PostgreSQL's protocol on a port of the loopback address.
//   node pglite-main.ts DIRECTORY PORT
import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";

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

let isClosing = false;
async function close(): Promise<void> {
  if (isClosing) return;
  isClosing = true;
  await server.stop();
  await db.close();
  process.exit(0);
}
process.on("SIGTERM", () => void close());
process.on("SIGINT", () => void close());
