import { createWeirClient, type PolicyEntry, ProblemError, type TokenCreate } from "@weir/api";

const DAY_S = 86_400;
const publish = (topic: string): PolicyEntry => ({ actions: ["publish"], topic });
const subscribe = (topic: string): PolicyEntry => ({ actions: ["subscribe"], topic });

/** Each service has a token of its own that can do what the service does, and no more. */
const SERVICES: Readonly<Record<string, TokenCreate>> = {
  backend: {
    name: "fleet: backend",
    subject: "fleet-backend",
    acl: [],
    mint: {
      acl: [subscribe("data/#"), subscribe("cmd/+/+"), publish("cmd/+/+"), publish("ingest/+")],
      subjects: ["user:*", "device:*"],
      maxTtl: 90 * DAY_S,
    },
  },
  ingest: {
    name: "fleet: ingest",
    subject: "fleet-ingest",
    acl: [publish("data/+/+"), subscribe("ingest/+")],
  },
  storage: { name: "fleet: storage", subject: "fleet-storage", acl: [subscribe("data/#")] },
  alarms: {
    name: "fleet: alarms",
    subject: "fleet-alarms",
    acl: [subscribe("data/+/+"), publish("data/+/alarms")],
  },
};

/** The keys of all services' tokens: those that work already, and new ones for the others. */
export async function openServiceKeys(
  url: string,
  adminToken: string,
  known: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const admin = createWeirClient({ url, token: adminToken });
  const keys: Record<string, string> = {};
  for (const [service, declaration] of Object.entries(SERVICES)) {
    const key = known[service];
    const works = key !== undefined && (await isValid(url, key));
    keys[service] = works ? key : (await admin.tokens.create(declaration)).key;
  }
  return keys;
}

async function isValid(url: string, token: string): Promise<boolean> {
  try {
    await createWeirClient({ url, token }).tokens.self();
    return true;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) return false;
    throw error;
  }
}
