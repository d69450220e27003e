import type { Tenant } from "../core/access/tenant-book.ts";

/** What access needs to know of the tenants. */
export interface TenantsOfAccess {
  /** As of now. */
  readonly all: Iterable<Tenant>;
  /** Undefined: it is gone, and whatever was let in by it has ended. */
  byId(id: string): Tenant | undefined;
  onChange(listener: (before: Tenant | undefined, after: Tenant | undefined) => void): void;
}
