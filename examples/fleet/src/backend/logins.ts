import { type Kysely, type Selectable, sql } from "kysely";
import type { Logger } from "pino";
import { hashPassword, isPassword } from "../accounts/password.ts";
import { hashSecret, newId, newSecret } from "../accounts/secret.ts";
import type { Login, Registration, User } from "../contract/index.ts";
import type { Database, SessionsTable } from "../database/schema.ts";
import type { BrokerAccess, MadeToken } from "./broker-access.ts";
import { Problem, signedOut } from "./problem.ts";
import { userRights } from "./rights.ts";

export interface LoginsOptions {
  readonly db: Kysely<Database>;
  readonly broker: BrokerAccess;
  readonly logger: Logger;
}

/** Somebody is logged in; `cookie` is the secret that says so, and only its hash is kept. */
export interface NewLogin {
  readonly user: User;
  readonly cookie: string;
  readonly expiresAt: Date;
  /** The key of the access token made for it. */
  readonly key: string;
}

/** A login that a request showed. */
export interface CurrentLogin {
  readonly id: string;
  readonly user: User;
  readonly tokenId: string | null;
  readonly expiresAt: Date;
}

type PendingSession = Pick<
  Selectable<SessionsTable>,
  "id" | "user_id" | "token_id" | "pending" | "pending_version"
>;

const LOGIN_MS = 30 * 86_400_000;
const SETTLE_AT_ONCE = 100;

/** Users, and the logins that stand for them. State lives in the database: any instance may answer any request. */
export class Logins {
  readonly #db: Kysely<Database>;
  readonly #broker: BrokerAccess;
  readonly #logger: Logger;

  constructor({ db, broker, logger }: LoginsOptions) {
    this.#db = db;
    this.#broker = broker;
    this.#logger = logger;
  }

  /** @throws {Problem} `conflict` if somebody has the e-mail address */
  async register({ email, name, password }: Registration): Promise<NewLogin> {
    const user: User = { id: newId(), email: email.toLowerCase(), name };
    const inserted = await this.#db
      .insertInto("users")
      .values({ ...user, password_hash: await hashPassword(password) })
      .onConflict((conflict) => conflict.column("email").doNothing())
      .returning("id")
      .executeTakeFirst();
    if (!inserted) throw new Problem(409, "conflict", "Somebody is registered with this e-mail address.");
    return this.#begin(user);
  }

  /** Undefined: the address or the password is wrong; both take equally long. */
  async logIn({ email, password }: Login): Promise<NewLogin | undefined> {
    const row = await this.#db
      .selectFrom("users")
      .select(["id", "email", "name", "password_hash"])
      .where("email", "=", email.toLowerCase())
      .executeTakeFirst();
    if (!(await isPassword(password, row?.password_hash)) || !row) return undefined;
    return this.#begin({ id: row.id, email: row.email, name: row.name });
  }

  /** Undefined: nobody, or no longer. */
  async find(cookie: string): Promise<CurrentLogin | undefined> {
    const row = await this.#db
      .selectFrom("sessions")
      .innerJoin("users", "users.id", "sessions.user_id")
      .select([
        "sessions.id",
        "sessions.token_id",
        "sessions.expires_at",
        "users.id as user_id",
        "users.email",
        "users.name",
      ])
      .where("sessions.id", "=", hashSecret(cookie))
      .where("sessions.expires_at", ">", sql<Date>`now()`)
      .where((where) => where.or([where("pending", "is", null), where("pending", "!=", "end")]))
      .executeTakeFirst();
    if (!row) return undefined;
    const user = { id: row.user_id, email: row.email, name: row.name };
    return { id: row.id, user, tokenId: row.token_id, expiresAt: row.expires_at };
  }

  /** Makes another access token for a login whose page has lost its key; the former ends. */
  async renew({ id, user, tokenId, expiresAt }: CurrentLogin): Promise<string> {
    const made = await this.#makeToken(id, user.id, expiresAt);
    if (tokenId) await this.#broker.end(tokenId);
    return made.key;
  }

  /** It is over from now on, also if the broker cannot be told at once: then it is told later. */
  async logOut(login: CurrentLogin): Promise<void> {
    await this.#markPending("end", "id", [login.id]);
    await this.settle();
  }

  /** The rights of these users have changed: their open pages follow. */
  async rightsChanged(userIds: readonly string[]): Promise<void> {
    if (userIds.length === 0) return;
    await this.#markPending("rights", "user_id", userIds);
    await this.settle();
  }

  /**
   * Tells the broker what it does not know yet. Never rejects: what could not be told stays pending, and is tried again
   * with the next call.
   */
  async settle(): Promise<void> {
    try {
      for (const session of await this.#pendingSessions()) await this.#settleOne(session);
    } catch (error) {
      this.#logger.warn(
        { error: String(error) },
        "the broker could not be told of changed rights; will try again",
      );
    }
  }

  async #begin(user: User): Promise<NewLogin> {
    const cookie = newSecret();
    const id = hashSecret(cookie);
    const expiresAt = new Date(Date.now() + LOGIN_MS);
    await this.#db
      .insertInto("sessions")
      .values({ id, user_id: user.id, token_id: null, expires_at: expiresAt, pending: null })
      .execute();
    const { key } = await this.#makeToken(id, user.id, expiresAt);
    return { user, cookie, expiresAt, key };
  }

  /** Rights that change before the token is known stay pending until then. */
  async #makeToken(sessionId: string, userId: string, expiresAt: Date): Promise<MadeToken> {
    const made = await this.#broker.createUserToken(userId, await userRights(this.#db, userId), expiresAt);
    const updated = await this.#db
      .updateTable("sessions")
      .set({ token_id: made.id })
      .where("id", "=", sessionId)
      .where("pending", "is distinct from", "end")
      .executeTakeFirst();
    if (updated.numUpdatedRows === 0n) {
      await this.#broker.end(made.id);
      throw signedOut();
    }
    await this.settle();
    return made;
  }

  async #markPending(
    pending: "rights" | "end",
    column: "id" | "user_id",
    values: readonly string[],
  ): Promise<void> {
    await this.#db
      .updateTable("sessions")
      .set({ pending, pending_version: sql`pending_version + 1` })
      .where(column, "in", values)
      .where("pending", "is distinct from", "end")
      .execute();
  }

  #pendingSessions(): Promise<PendingSession[]> {
    return this.#db
      .selectFrom("sessions")
      .select(["id", "user_id", "token_id", "pending", "pending_version"])
      .where((where) =>
        where.or([
          where("pending", "=", "end"),
          where.and([where("pending", "=", "rights"), where("token_id", "is not", null)]),
          where("expires_at", "<", sql<Date>`now()`),
        ]),
      )
      .limit(SETTLE_AT_ONCE)
      .execute();
  }

  async #settleOne(session: PendingSession): Promise<void> {
    if (session.pending === "rights") await this.#settleRights(session);
    else await this.#settleEnd(session);
  }

  async #settleRights({
    id,
    user_id: userId,
    token_id: tokenId,
    pending_version,
  }: PendingSession): Promise<void> {
    if (tokenId) await this.#broker.changeRights(tokenId, await userRights(this.#db, userId));
    await this.#db
      .updateTable("sessions")
      .set({ pending: null })
      .where("id", "=", id)
      .where("pending", "=", "rights")
      .where("pending_version", "=", pending_version)
      .execute();
  }

  async #settleEnd({ id, token_id: tokenId }: PendingSession): Promise<void> {
    if (tokenId) await this.#broker.end(tokenId);
    await this.#db.deleteFrom("sessions").where("id", "=", id).execute();
  }
}
