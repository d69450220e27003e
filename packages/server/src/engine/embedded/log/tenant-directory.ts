const maxPlainBytes = 180;

/** A directory's name for a tenant: each tenant another one, also where case does not count; undefined if too long. */
export function tenantDirectoryName(tenant: string): string {
  let name = "t";
  for (const byte of Buffer.from(tenant, "utf8")) {
    const isPlain =
      (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x2d || byte === 0x5f;
    name += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0")}`;
  }
  if (name.length > maxPlainBytes) throw new TypeError("the tenant's name is too long for a directory");
  return name;
}

/** The tenant of a directory's name; undefined for what is none. */
export function tenantOfDirectory(name: string): string | undefined {
  if (!name.startsWith("t") || !/^t(?:[0-9a-z_-]|%[0-9a-f]{2})*$/.test(name)) return undefined;
  return decodeURIComponent(name.slice(1));
}
