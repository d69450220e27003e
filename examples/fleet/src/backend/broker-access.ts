import { createWeirClient, type PolicyEntry, ProblemError, type WeirClient } from "@weir/api";

export interface BrokerAccessOptions {
  /** The broker's HTTP address, for example `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The key of a minting token: it may make tokens for `user:*` and `device:*`, and nothing else. */
  readonly token: string;
}

export interface MadeToken {
  readonly id: string;
  readonly key: string;
}

/** A login that nobody uses for so long ends by itself. */
const USER_TTL_S = 7 * 86_400;
const DEVICE_TTL_S = 90 * 86_400;

/** The access tokens of users and devices at the broker, by REST. Each call rejects with `ProblemError`. */
export class BrokerAccess {
  readonly #client: WeirClient;

  constructor(options: BrokerAccessOptions) {
    this.#client = createWeirClient(options);
  }

  /** @param expiresAt when the login ends, whatever its use */
  async createUserToken(userId: string, acl: PolicyEntry[], expiresAt: Date): Promise<MadeToken> {
    return this.#client.tokens.create({
      name: "fleet: login",
      subject: `user:${userId}`,
      acl,
      ttl: USER_TTL_S,
      expiresAt: expiresAt.toISOString(),
    });
  }

  async createDeviceToken(sensorId: string, acl: PolicyEntry[]): Promise<MadeToken> {
    return this.#client.tokens.create({
      name: "fleet: device",
      subject: `device:${sensorId}`,
      acl,
      ttl: DEVICE_TTL_S,
    });
  }

  /** Counts at once for the connections that are open with it. A token that has ended in the meantime needs no rights. */
  async changeRights(tokenId: string, acl: PolicyEntry[]): Promise<void> {
    await this.#client.tokens.update(tokenId, { acl }).catch(ignoreMissing);
  }

  /** Ends the token and its connections. One that is gone already is no error. */
  async end(tokenId: string): Promise<void> {
    await this.#client.tokens.delete(tokenId).catch(ignoreMissing);
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof ProblemError && error.status === 404)) throw error;
}
