import type { DemoAccount, GeofenceDrawing } from "../contract/index.ts";
import { BackendClient, BackendRefusal } from "./backend-client.ts";
import { newToken } from "./secrets.ts";

/** Who drives which buses of the recording: at almost any time of it each of them has one that moves. */
const OWNERS: readonly { readonly name: string; readonly buses: readonly string[] }[] = [
  { name: "Alice", buses: ["4716", "4733", "4836"] },
  { name: "Bob", buses: ["4720", "4803", "4841"] },
  { name: "Carol", buses: ["4722", "4842"] },
];

/** Buses cross its border several times an hour. */
const CITY_CENTRE: GeofenceDrawing = {
  name: "City centre",
  corners: [
    [53.4035, -2.992],
    [53.4135, -2.992],
    [53.4135, -2.968],
    [53.4035, -2.968],
  ],
};

/** The accounts of the demonstration, with passwords from `known` or new ones. */
export function demoAccounts(known: Readonly<Record<string, string>>): DemoAccount[] {
  return OWNERS.map(({ name }) => {
    const email = `${name.toLowerCase()}@example.com`;
    return { name, email, password: known[email] ?? newToken().slice(0, 16) };
  });
}

/**
 * Registers those who are not there yet, and gives each their buses.
 *
 * @returns the device ids of the buses that were made now
 */
export async function seedAccounts(
  backendUrl: string,
  accounts: readonly DemoAccount[],
): Promise<Record<string, string>> {
  const deviceIds: Record<string, string> = {};
  for (const account of accounts) {
    const client = await register(backendUrl, account);
    if (!client) continue;
    for (const bus of OWNERS.find(({ name }) => name === account.name)?.buses ?? []) {
      const { device } = await client.createSensor(`Bus ${bus}`);
      deviceIds[bus] = device.deviceId;
    }
    await client.createGeofence(CITY_CENTRE);
    await client.call("DELETE", "/api/session");
  }
  return deviceIds;
}

/** Undefined: they are there already. */
async function register(
  url: string,
  { email, name, password }: DemoAccount,
): Promise<BackendClient | undefined> {
  try {
    return await BackendClient.register(url, email, name, password);
  } catch (error) {
    if (error instanceof BackendRefusal && error.status === 409) return undefined;
    throw error;
  }
}
