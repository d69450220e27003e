// The embedded database as a process of its own: PostgreSQL's protocol on a port of the loopback address.
//   node pglite-main.ts DIRECTORY PORT
import { PGlite } from "@electric-sql/pglite";
import { endOnSignal } from "../process/end-on-signal.ts";
import { claimDirectory } from "./directory-claim.ts";
import { PgliteServer } from "./pglite-server.ts";

const [directory, port] = process.argv.slice(2);
if (!directory || !port) throw new Error("usage: pglite-main.ts DIRECTORY PORT");

const release = claimDirectory(directory);
const db = await PGlite.create({ dataDir: directory });
const server = new PgliteServer(db);
await server.listen(Number(port));
process.stdout.write("ready\n");
endOnSignal(async () => {
  await server.close();
  await db.close();
  release();
});
