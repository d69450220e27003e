import type { AccessTokenSettings } from "../core/access/access-token.ts";
import type { AccessTokenStore } from "./access-token-store.ts";

const MIN_ADMIN_TOKEN_CHARACTERS = 32;

const SETTINGS: AccessTokenSettings = {
  name: "admin",
  // `#` reaches no `$…` topic, so reading $SYS is named.
  acl: [
    { actions: ["publish", "subscribe", "replay"], topic: "#" },
    { actions: ["subscribe"], topic: "$SYS/#" },
  ],
  ttlS: undefined,
  expiresAtMs: undefined,
  enabled: true,
  scopes: ["admin"],
  clientIds: [],
  origins: [],
  networks: [],
  metadata: {},
};

/**
 * Sees to it that there is an admin token: the one that the operator sets, at every start, else one that is made at the
 * first start.
 *
 * @param given the operator's choice, any text of at least 32 characters
 * @returns the key if one was made here: it is shown once, and nowhere else
 * @throws {Error} with the remedy, if `given` is too short
 */
export async function ensureAdminToken(
  store: AccessTokenStore,
  tenant: string,
  given: string | undefined,
): Promise<string | undefined> {
  if (given !== undefined && [...given].length < MIN_ADMIN_TOKEN_CHARACTERS) {
    throw new Error(
      `WEIR_ADMIN_TOKEN has ${[...given].length} characters; it must have at least ${MIN_ADMIN_TOKEN_CHARACTERS} ` +
        "(for example the output of: openssl rand -base64 32)",
    );
  }
  if (given === undefined && store.builtIn) return undefined;
  const key = await store.setBuiltIn(given, { tenant, subject: undefined, mintedBy: undefined }, SETTINGS);
  return given === undefined ? key : undefined;
}
