import { bindsClientId } from "../core/access/access-token.ts";
import { parsePolicyEntries, type PolicyEntry, PolicyEntryError } from "../core/access/policy-entry.ts";
import { usesClientId } from "../core/access/template.ts";
import { AdminError } from "./admin-error.ts";

/**
 * The ACL of a credential. A client that chooses its client id freely would choose by it whose data it reads
 * (semantics.md §1.1), so `${clientId}` needs client ids that are bound.
 *
 * @param path where it stands, for messages: `acl` or `mint.acl`
 * @throws {AdminError} `invalid`, naming the entry
 */
export function parseAcl(
  value: readonly unknown[],
  clientIds: readonly string[],
  path: string,
): readonly PolicyEntry[] {
  const acl = parseEntries(value, path);
  if (usesClientId(acl) && !bindsClientId(clientIds)) {
    throw new AdminError(
      "invalid",
      `${path}: uses \${clientId}, so ${path.replace(/acl$/, "clientIds")} must say which client ids the token may connect with`,
    );
  }
  return acl;
}

function parseEntries(value: readonly unknown[], path: string): readonly PolicyEntry[] {
  try {
    return parsePolicyEntries(value, path);
  } catch (error) {
    if (error instanceof PolicyEntryError) throw new AdminError("invalid", error.message);
    throw error;
  }
}
