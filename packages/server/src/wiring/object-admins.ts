import { type GroupReferences, groupObjects } from "../admin/group-objects.ts";
import { historyObjects } from "../admin/history-objects.ts";
import { ObjectAdmin } from "../admin/object-admin.ts";
import { policyObjects } from "../admin/policy-objects.ts";
import { providerObjects } from "../admin/provider-objects.ts";
import { tenantObjects } from "../admin/tenant-objects.ts";
import { findUnboundHolder } from "../auth/policy-holders.ts";
import type { TokenAccess } from "../auth/token-access.ts";
import type { TenantBook } from "../core/access/tenant-book.ts";
import type { BrokerCore } from "../core/session/broker-core.ts";
import type { HistoryBook } from "../core/session/history-book.ts";
import type { ObjectUseCases } from "../http/object-routes.ts";
import type { Parts } from "./parts.ts";

/** Everything that operators keep under a name, over REST. */
export function objectAdmins({ access, core, histories, tenants }: Parts): readonly ObjectUseCases[] {
  const tenantAdmin = new ObjectAdmin(tenantObjects(), tenants);
  return [...identityObjects(access), historyAdmin(histories, core, tenants), tenantAdmin];
}

function historyAdmin(book: HistoryBook, core: BrokerCore, tenants: TenantBook): ObjectUseCases {
  const hasRoom = (tenant: string, name: string): boolean => {
    const { histories = Infinity } = tenants.byId(tenant)?.settings.limits ?? {};
    const isNew = !book.objects.get(tenant, name);
    return !isNew || book.objects.list(tenant, undefined, histories).length < histories;
  };
  const kind = historyObjects((tenant, name) => book.isConfigured(tenant, name), hasRoom);
  const { objects } = book;
  return new ObjectAdmin(kind, {
    get: objects.get.bind(objects),
    list: objects.list.bind(objects),
    delete: objects.delete.bind(objects),
    put: async (tenant, ...declared) => {
      const made = await objects.put(tenant, ...declared);
      await core.saveHistories(tenant);
      return made;
    },
  });
}

/** Policies, groups and providers over REST. */
function identityObjects({ objects, store }: TokenAccess): readonly ObjectUseCases[] {
  const { policies, groups, providers } = objects;
  const references: GroupReferences = {
    policyOf: (tenant, name) => policies.get(tenant, name),
    providerOf: (tenant, name) => providers.get(tenant, name),
  };
  const unboundHolder = (tenant: string, policy: string): string | undefined =>
    findUnboundHolder(tenant, policy, objects, store);
  return [
    new ObjectAdmin(policyObjects(unboundHolder), policies),
    new ObjectAdmin(groupObjects(references), groups),
    new ObjectAdmin(providerObjects(providers), providers),
  ];
}
