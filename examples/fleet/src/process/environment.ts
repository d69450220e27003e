/** A part was started without what it needs: the message names the variable. */
class SettingError extends Error {
  override readonly name = "SettingError";
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws {SettingError} */
export function required(env: Environment, name: string): string {
  const value = env[name];
  if (value) return value;
  throw new SettingError(`${name} is not set. The README says what each part needs.`);
}

/** @throws {SettingError} unless it is a whole number of at least 0 */
export function whole(env: Environment, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === "") return fallback;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new SettingError(`${name}=${text}: it must be a whole number.`);
}
