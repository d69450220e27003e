const KEY = "fleet-client-id";

/** How this page is known to the broker. */
export interface BrowserClientId {
  readonly clientId: string;
  /** The broker keeps alarms for it while it is closed. One page of a browser at a time has that. */
  readonly isPersistent: boolean;
}

/** The first page of a browser gets the browser's own client id; others, opened beside it, one for themselves. */
export async function claimClientId(userId: string): Promise<BrowserClientId> {
  const own = { clientId: `web-${randomText()}`, isPersistent: false };
  if (!("locks" in navigator)) return own; // a page that is not served securely has none
  const key = `${KEY}-${userId}`;
  const isFirst = await holdLock(key);
  if (!isFirst) return own;
  const clientId = localStorage.getItem(key) ?? `web-${randomText()}`;
  localStorage.setItem(key, clientId);
  return { clientId, isPersistent: true };
}

const held = new Set<string>();

/** True if this page holds the lock, from now until it is closed. */
function holdLock(name: string): Promise<boolean> {
  if (held.has(name)) return Promise.resolve(true);
  return new Promise((resolve) => {
    void navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      if (!lock) return undefined;
      held.add(name);
      return new Promise<never>(() => undefined);
    });
  });
}

function randomText(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
