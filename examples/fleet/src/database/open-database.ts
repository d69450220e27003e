import { Kysely, PostgresDialect } from "kysely";
import { Migrator } from "kysely/migration";
import pg from "pg";
import { migrations } from "./migrations.ts";
import type { Database } from "./schema.ts";

/** PostgreSQL's numbers of the types that `pg` gives as texts: all of ours are safe integers. */
const NUMBER_TYPES: ReadonlySet<number> = new Set([pg.types.builtins.INT8, pg.types.builtins.NUMERIC]);
const CONNECT_TIMEOUT_MS = 10_000;

export interface OpenDatabaseOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  /** Connections at most. Default: 4. */
  readonly maxConnections?: number;
}

/** Connects when it is first asked. Must be closed with `destroy`. */
export function openDatabase({ url, maxConnections = 4 }: OpenDatabaseOptions): Kysely<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    types: { getTypeParser },
  });
  // A resting connection that breaks is replaced; without a listener it would end the process
  pool.on("error", () => undefined);
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

/** Brings the tables up to date. Several may try at once: one does it. Rejects with the migration's error. */
export async function migrateDatabase(db: Kysely<Database>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve({ ...migrations }) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error)
    throw error instanceof Error ? error : new Error("the database could not be migrated", { cause: error });
}

const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: string) =>
  NUMBER_TYPES.has(oid)
    ? Number
    : (pg.types.getTypeParser(oid, format as "text") as (value: string) => unknown);
