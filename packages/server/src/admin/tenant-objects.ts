import { SYSTEM_TENANT } from "../core/access/tenant-book.ts";
import {
  defaultTenantSettings,
  type TenantLimits,
  type TenantProtocols,
  type TenantSettings,
} from "../core/access/tenant-settings.ts";
import { AdminError } from "./admin-error.ts";
import { declareLimits, type LimitsDeclaration, parseLimits } from "./limits-declaration.ts";
import type { ObjectKind } from "./object-admin.ts";

interface TenantLimitsDeclaration extends LimitsDeclaration {
  readonly histories?: number;
  readonly retainedMessages?: number;
  readonly sessions?: number;
}

interface TenantDeclaration extends Partial<Omit<TenantSettings, "protocols" | "limits">> {
  readonly protocols?: Partial<TenantProtocols>;
  readonly limits?: TenantLimitsDeclaration;
}

/** Tenants: the admins of the system alone make, change and delete them. */
export function tenantObjects(): ObjectKind<TenantSettings> {
  return {
    path: "tenants",
    noun: "tenant",
    scope: "tenants",
    isOfSystem: true,
    parse(body, name) {
      const { protocols, limits = {}, ...others } = body as TenantDeclaration;
      const settings = {
        ...defaultTenantSettings,
        ...others,
        protocols: { ...defaultTenantSettings.protocols, ...protocols },
        limits: parseTenantLimits(limits),
      };
      if (name === SYSTEM_TENANT && !settings.protocols.rest)
        throw new AdminError("invalid", "protocols.rest: without it nobody could switch it on again");
      return settings;
    },
    present({ id, name, value: { limits, ...others } }) {
      return { id: name === SYSTEM_TENANT ? name : id, ...others, limits: declareLimits(limits) };
    },
  };
}

function parseTenantLimits(limits: TenantLimitsDeclaration): TenantLimits {
  return { ...parseLimits(limits), ...ownLimits(limits) };
}

type OwnLimits = Pick<TenantLimits, "histories" | "retainedMessages" | "sessions">;

/** Those that tokens and groups do not have. */
function ownLimits({ histories, retainedMessages, sessions }: OwnLimits): OwnLimits {
  return {
    ...(histories !== undefined && { histories }),
    ...(retainedMessages !== undefined && { retainedMessages }),
    ...(sessions !== undefined && { sessions }),
  };
}
