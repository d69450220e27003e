import {
  Group,
  GroupPut,
  History,
  HistoryPut,
  Policy,
  PolicyPut,
  Provider,
  ProviderPut,
  Tenant,
  TenantPut,
} from "@weir/api";
import type { TSchema } from "typebox";

/** How one kind of named objects is written and shown. */
export interface ObjectSchemas {
  /** The body of PUT. */
  readonly put: TSchema;
  /** What is answered. */
  readonly shown: TSchema;
}

/** By the path of the collection. */
export const objectSchemas: Readonly<Record<string, ObjectSchemas>> = {
  policies: { put: PolicyPut, shown: Policy },
  groups: { put: GroupPut, shown: Group },
  histories: { put: HistoryPut, shown: History },
  providers: { put: ProviderPut, shown: Provider },
  tenants: { put: TenantPut, shown: Tenant },
};
