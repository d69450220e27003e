import { type AccessTokenSettings, emptySettings } from "../core/access/access-token.ts";
import type { AccessTokenStore } from "./access-token-store.ts";

const MIN_ADMIN_TOKEN_CHARACTERS = 32;

const SETTINGS: AccessTokenSettings = {
  ...emptySettings,
  name: "admin",
  // `#` reaches no `$…` topic, so reading those is named.
  acl: [
    { actions: ["publish", "subscribe", "replay"], topic: "#" },
    { actions: ["subscribe"], topic: "$SYS/#" },
    { actions: ["subscribe"], topic: "$audit/#" },
  ],
  scopes: ["admin", "tenants"],
};

/**
 * Sees to it that there is an admin token: the one that the operator sets, at every start, else one that is made at the
 * first start.
 *
 * @param given the operator's choice, any text of at least 32 characters
 * @param onMade called with a key that is made here, before it counts: if this throws, the next start makes another
 * @throws {Error} with the remedy, if the operator's choice is too short or fits no header of HTTP
 */
export async function ensureAdminToken(
  store: AccessTokenStore,
  tenant: string,
  given: string | undefined,
  onMade?: (key: string) => void,
): Promise<void> {
  const problem = given === undefined ? undefined : problemOf(given);
  if (problem !== undefined)
    throw new Error(`WEIR_ADMIN_TOKEN ${problem} (for example the output of: openssl rand -base64 32)`);
  if (given === undefined && store.builtIn) return;
  const owner = { tenant, subject: undefined, mintedBy: undefined };
  await store.setBuiltIn({ given, onMade }, owner, SETTINGS);
}

/** What no Authorization header can carry would let nobody in over REST: HTTP takes spaces off both ends. */
function problemOf(given: string): string | undefined {
  const { length } = [...given];
  if (length < MIN_ADMIN_TOKEN_CHARACTERS)
    return `has ${length} characters; it must have at least ${MIN_ADMIN_TOKEN_CHARACTERS}`;
  if (/[\u0000-\u001f\u007f]/.test(given))
    return "holds a tab, line break or other control character; leave it out";
  return given === given.trim() ? undefined : "begins or ends with a space; leave it out";
}
