import { BackendClient } from "../launcher/backend-client.ts";

const PASSWORD = "a password for a load";
const AT_ONCE = 8;

/** A user with many sensors, made for a measurement. */
export interface LoadedUser {
  readonly email: string;
  readonly password: string;
  readonly client: BackendClient;
  /** What each sensor sends as its `id`. */
  readonly deviceIds: readonly string[];
}

/** Registers a user and makes their sensors; `progress` is told how many there are. */
export async function createLoadedUser(
  backendUrl: string,
  sensors: number,
  progress: (made: number) => void,
): Promise<LoadedUser> {
  const email = `load-${Date.now()}-${Math.random().toString(36).slice(2)}@example.com`;
  const client = await BackendClient.register(backendUrl, email, "Load", PASSWORD);
  const deviceIds: string[] = [];
  let begun = 0;
  const work = async (): Promise<void> => {
    while (begun < sensors) {
      const { device } = await client.createSensor(`Vehicle ${String(++begun).padStart(4, "0")}`);
      deviceIds.push(device.deviceId);
      progress(deviceIds.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { email, password: PASSWORD, client, deviceIds };
}
