import type { TenantsOfAccess } from "../src/auth/tenants-of-access.ts";
import { systemTenant } from "../src/core/access/tenant-book.ts";

/** No tenant but the one that is always there. */
export const onlyDefault: TenantsOfAccess = {
  all: [systemTenant],
  byId: (id) => (id === systemTenant.id ? systemTenant : undefined),
  onChange: () => {},
};
