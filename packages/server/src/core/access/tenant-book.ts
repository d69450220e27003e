import { type NamedObject, NamedObjects, type NamedObjectsOptions } from "../objects/named-objects.ts";
import { EngineError, type Kv, type Plain } from "../ports/engine.ts";
import type { PrincipalLimits } from "./principal-limits.ts";
import { defaultTenantSettings, limitsOfEach, type TenantSettings } from "./tenant-settings.ts";

/** The tenant that is always there: its name, and its id. Its admins are the system's. */
export const SYSTEM_TENANT = "default";

/** An isolated topic space as it is now. */
export interface Tenant {
  /** What everything of it is kept under: random, so that a re-created name inherits nothing (semantics.md §1.16). */
  readonly id: string;
  readonly name: string;
  readonly settings: TenantSettings;
  /** What its limits are for each of its principals; undefined: nothing. */
  readonly limitsOfEach: PrincipalLimits | undefined;
}

/** The tenant that is always there, as long as nobody has changed it. */
export const systemTenant: Tenant = {
  id: SYSTEM_TENANT,
  name: SYSTEM_TENANT,
  settings: defaultTenantSettings,
  limitsOfEach: undefined,
};

/** `before` undefined: new; `after` undefined: deleted. */
export type TenantListener = (before: Tenant | undefined, after: Tenant | undefined) => void;

export interface TenantBookOptions extends Pick<
  NamedObjectsOptions<TenantSettings>,
  "kv" | "clock" | "logger" | "randomId"
> {
  /** For the ids of tenants whose data is still to be removed; a bucket for nothing else. */
  readonly goneKv: Kv;
}

/** Each has a log, a tree and views of its own. */
const maxTenants = 1_000;

/** The tenants: always `default`, and those that the admin of the system makes. All of them in memory. */
export class TenantBook {
  readonly #objects: NamedObjects<TenantSettings>;
  readonly #goneKv: Kv;
  readonly #byId = new Map<string, Tenant>();
  readonly #listeners: TenantListener[] = [];

  constructor(options: TenantBookOptions) {
    this.#goneKv = options.goneKv;
    this.#objects = new NamedObjects({
      ...options,
      maxPerTenant: maxTenants,
      encode: (settings) => settings as unknown as Plain,
      decode: (value) => ({ ...defaultTenantSettings, ...(value as unknown as TenantSettings) }),
    });
    this.#objects.onChange((_tenant, _name, before, after) => this.#changed(before, after));
    this.#byId.set(SYSTEM_TENANT, systemTenant);
  }

  /** Resolves when all are known, and `default` is there. Rejects with EngineError. */
  async open(): Promise<void> {
    await this.#objects.open();
    if (!this.#objects.get(SYSTEM_TENANT, SYSTEM_TENANT))
      await this.#objects.put(SYSTEM_TENANT, SYSTEM_TENANT, defaultTenantSettings);
  }

  close(): void {
    this.#objects.close();
  }

  /** Called for each change from now on, in order, once it is durable. */
  onChange(listener: TenantListener): void {
    this.#listeners.push(listener);
  }

  get all(): Iterable<Tenant> {
    return this.#byId.values();
  }

  byId(id: string): Tenant | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): Tenant | undefined {
    const object = this.#objects.get(SYSTEM_TENANT, name);
    return object && this.#byId.get(idOf(object));
  }

  /** What people call it; the id where it is gone. */
  nameOf(id: string): string {
    return this.#byId.get(id)?.name ?? id;
  }

  // ---------------------------------------------------------------- as named objects of the system

  get(owner: string, name: string): NamedObject<TenantSettings> | undefined {
    return this.#objects.get(owner, name);
  }

  list(owner: string, after: string | undefined, limit: number): readonly NamedObject<TenantSettings>[] {
    return this.#objects.list(owner, after, limit);
  }

  put(
    owner: string,
    name: string,
    settings: TenantSettings,
    ifVersion?: number,
  ): Promise<{ readonly object: NamedObject<TenantSettings>; readonly isNew: boolean }> {
    return this.#objects.put(owner, name, settings, ifVersion);
  }

  /**
   * From when this resolves the tenant is no more; what it had is removed after that, also over a restart.
   *
   * @throws {EngineError} `conflict` for the tenant that is always there, or where it has another version
   */
  async delete(owner: string, name: string, ifVersion?: number): Promise<boolean> {
    const object = this.#objects.get(owner, name);
    if (!object) return false;
    if (name === SYSTEM_TENANT) throw new EngineError("conflict", "the tenant default is always there");
    await this.#goneKv.put(object.id, { name });
    return this.#objects.delete(owner, name, ifVersion ?? object.version);
  }

  // ---------------------------------------------------------------- what deleted tenants have left

  /** Ids whose data is still to be removed. */
  async gone(): Promise<readonly string[]> {
    const ids: string[] = [];
    for await (const { key } of this.#goneKv.list("")) {
      // Its deletion has failed
      if (this.#byId.has(key)) await this.#goneKv.delete(key);
      else ids.push(key);
    }
    return ids;
  }

  /** Nothing of it is left. */
  async removed(id: string): Promise<void> {
    await this.#goneKv.delete(id);
  }

  #changed(
    before: NamedObject<TenantSettings> | undefined,
    after: NamedObject<TenantSettings> | undefined,
  ): void {
    const isReplaced = before && before.id !== after?.id && before.name !== SYSTEM_TENANT;
    if (isReplaced) this.#set(idOf(before), undefined);
    if (after) this.#set(idOf(after), tenantOf(after));
  }

  #set(id: string, after: Tenant | undefined): void {
    const before = this.#byId.get(id);
    if (after) this.#byId.set(id, after);
    else this.#byId.delete(id);
    for (const listener of this.#listeners) listener(before, after);
  }
}

type Named = Pick<NamedObject<TenantSettings>, "name" | "id" | "value">;

function idOf({ name, id }: Named): string {
  return name === SYSTEM_TENANT ? SYSTEM_TENANT : id;
}

function tenantOf(object: Named): Tenant {
  const { name, value: settings } = object;
  return { id: idOf(object), name, settings, limitsOfEach: limitsOfEach(settings.limits) };
}
