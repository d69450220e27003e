import type { Socket } from "node:net";
import { PGlite } from "@electric-sql/pglite";
import { sql } from "kysely";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../process/free-port.ts";
import { migrateDatabase, openDatabase } from "./open-database.ts";
import { PgliteServer } from "./pglite-server.ts";

let db: PGlite;
let server: PgliteServer;
let url: string;

beforeAll(async () => {
  db = await PGlite.create();
  server = new PgliteServer(db);
  const port = await freePort();
  await server.listen(port);
  url = `postgres://postgres@127.0.0.1:${port}/postgres`;
});

afterAll(async () => {
  await server.close();
  await db.close();
});

test("several clients that ask at the same time each get the answer to their own question", async () => {
  const clients = Array.from({ length: 4 }, () => openDatabase({ url, maxConnections: 2 }));
  const answers = await Promise.all(
    clients.flatMap((client, index) =>
      Array.from({ length: 25 }, async (_, question) => {
        const number = index * 100 + question;
        const { rows } = await sql<{ n: number }>`select ${number}::int as n`.execute(client);
        return rows[0]?.n === number;
      }),
    ),
  );
  expect(answers).toHaveLength(100);
  expect(answers.every(Boolean)).toBe(true);
  await Promise.all(clients.map((client) => client.destroy()));
});

test("a statement longer than a TCP segment is not torn apart by those of others", async () => {
  const [writer, reader] = [openDatabase({ url }), openDatabase({ url })];
  await migrateDatabase(writer);
  const rows = Array.from({ length: 1_000 }, (_, second) => ({
    sensor_id: "sensor-with-a-rather-long-name-to-fill-the-segment",
    recorded_at: new Date(second * 1_000),
    lat: 53.4,
    lon: -2.9,
    speed: null,
    bearing: null,
  }));
  const writing = new AbortController();
  const reading = (async () => {
    while (!writing.signal.aborted) await sql`select 1`.execute(reader);
  })();
  for (let i = 0; i < 5; i++)
    await writer
      .insertInto("positions")
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  writing.abort();
  await reading;
  const { count } = await reader
    .selectFrom("positions")
    .select((select) => select.fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  expect(count).toBe(1_000);
  await Promise.all([writer.destroy(), reader.destroy()]);
});

test("what a client does in a transaction is seen by others when it has committed, and not before", async () => {
  const [one, other] = [openDatabase({ url }), openDatabase({ url })];
  await sql`create table tickets (n int)`.execute(one);
  let seen: Promise<number> | undefined;
  await one.transaction().execute(async (transaction) => {
    await sql`insert into tickets values (1)`.execute(transaction);
    seen = sql<{ n: number }>`select count(*) as n from tickets`
      .execute(other)
      .then(({ rows }) => rows[0]?.n ?? -1);
    await sql`insert into tickets values (2)`.execute(transaction);
  });
  expect(await seen).toBe(2);
  await Promise.all([one.destroy(), other.destroy()]);
});

test("a client that is cut off inside a transaction has not done it, and holds up nobody", async () => {
  const other = openDatabase({ url });
  await sql`create table promises (n int)`.execute(other);
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  await client.query("begin");
  await client.query("insert into promises values (1)");
  (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
  const { rows } = await sql<{ n: number }>`select count(*) as n from promises`.execute(other);
  expect(rows).toEqual([{ n: 0 }]);
  await other.destroy();
});
