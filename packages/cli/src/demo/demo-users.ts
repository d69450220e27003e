import type { PolicyEntry, WeirClient } from "@weir/api";

/** A user of the demonstration, with the token that the broker has made for them. */
export interface DemoUser {
  readonly name: string;
  readonly buses: readonly string[];
  /** The key of the user's access token. */
  readonly key: string;
}

/** Who owns which bus: at almost any time of the recording each has one that drives. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  alice: ["4716", "4733", "4836"],
  bob: ["4720", "4803", "4841"],
  carol: ["4722", "4842"],
};

const TOKEN_TTL_S = 7 * 86_400;

/** What the reference design gives a user: everything of theirs to read, and nothing else. */
const USER_ACL: PolicyEntry[] = [{ actions: ["subscribe"], topic: "data/${subject}/#" }];
const PUBLISHER_ACL: PolicyEntry[] = [{ actions: ["publish"], topic: "data/+/+" }];

/** Makes a token for each user over REST, as a backend would after a login. */
export async function createDemoUsers(client: WeirClient): Promise<DemoUser[]> {
  const users: DemoUser[] = [];
  for (const [name, buses] of Object.entries(OWNERS)) {
    const token = await client.tokens.create({
      name: `demo: ${name}`,
      subject: name,
      acl: USER_ACL,
      ttl: TOKEN_TTL_S,
    });
    users.push({ name, buses, key: token.key });
  }
  return users;
}

/** The publisher's own token: it may publish the users' data and read nothing. */
export async function createPublisherKey(client: WeirClient): Promise<string> {
  const token = await client.tokens.create({
    name: "demo: publisher",
    subject: "publisher",
    acl: PUBLISHER_ACL,
    ttl: TOKEN_TTL_S,
  });
  return token.key;
}

export function ownerOf(bus: string): string {
  const found = Object.entries(OWNERS).find(([, buses]) => buses.includes(bus));
  if (!found) throw new Error(`Nobody owns bus ${bus}`);
  return found[0];
}
