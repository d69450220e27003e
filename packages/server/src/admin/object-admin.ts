import type { Scope } from "../core/access/access-token.ts";
import { isObjectName, type NamedObject, type NamedObjects } from "../core/objects/named-objects.ts";
import { AdminError, settleInEngine } from "./admin-error.ts";
import type { Page } from "./page.ts";
import type { Precondition } from "./precondition.ts";
import { formatTime } from "./rfc3339-time.ts";
import { type Caller, requireScope } from "./scope.ts";

/** One kind of named objects: what is particular about it. */
export interface ObjectKind<T> {
  /** The collection in addresses: `policies`. */
  readonly path: string;
  /** What people call one of them: `policy`. */
  readonly noun: string;
  readonly scope: Scope;
  /** They belong to no tenant: nobody names one with ?tenant=. */
  readonly isOfSystem?: boolean;
  /**
   * What a body says; the types of its members were checked, what they say was not.
   *
   * @throws {AdminError} `invalid`, naming the member
   */
  parse(body: unknown, name: string, caller: Caller): T;
  /** What is shown of it, besides its name and its times: never a secret. */
  present(object: NamedObject<T>): Readonly<Record<string, unknown>>;
}

/** A named object as it is shown, and its version, which is not part of that. */
export interface ShownObject {
  readonly version: number;
  readonly shown: Readonly<Record<string, unknown>>;
}

/** Where they are kept. */
type StoredObjects<T> = Pick<NamedObjects<T>, "get" | "list" | "put" | "delete">;

/** What can be done with the named objects of one kind; needs the kind's scope, and stays in the caller's tenant. */
export class ObjectAdmin<T> {
  readonly #kind: ObjectKind<T>;
  readonly #objects: StoredObjects<T>;

  constructor(kind: ObjectKind<T>, objects: StoredObjects<T>) {
    this.#kind = kind;
    this.#objects = objects;
  }

  get path(): string {
    return this.#kind.path;
  }

  get isOfSystem(): boolean {
    return this.#kind.isOfSystem ?? false;
  }

  get noun(): string {
    return this.#kind.noun;
  }

  /** In the order of their names. @throws {AdminError} */
  list(caller: Caller, cursor: string | undefined, limit: number): Page<ShownObject> {
    requireScope(caller, this.#kind.scope);
    const found = this.#objects.list(caller.tenant, cursor, limit + 1);
    const items = found.slice(0, limit);
    const next = found.length > limit ? items.at(-1)?.name : undefined;
    return { items: items.map((object) => this.#show(object)), next };
  }

  /** @throws {AdminError} */
  get(caller: Caller, name: string): ShownObject {
    requireScope(caller, this.#kind.scope);
    return this.#show(this.#find(caller, name));
  }

  /**
   * Makes it, or puts another in its place. Resolves when it is durable, and sessions begin to follow.
   *
   * @throws {AdminError} `precondition` where it is in another state than expected, `conflict` where there are too many
   */
  async put(
    caller: Caller,
    name: string,
    body: unknown,
    expected: Precondition,
  ): Promise<ShownObject & { readonly isNew: boolean }> {
    requireScope(caller, this.#kind.scope);
    if (!isObjectName(name))
      throw new AdminError("invalid", "a name has 1 to 128 characters of 0-9 A-Z a-z . _ -");
    const value = this.#kind.parse(body, name, caller);
    const version = this.#expectedVersion(caller, name, expected);
    const { object, isNew } = await this.#settle(
      this.#objects.put(caller.tenant, name, value, version),
      version,
    );
    return { ...this.#show(object), isNew };
  }

  /** @throws {AdminError} */
  async delete(caller: Caller, name: string, expected: Precondition): Promise<void> {
    requireScope(caller, this.#kind.scope);
    this.#find(caller, name);
    const version = this.#expectedVersion(caller, name, expected);
    const wasThere = await this.#settle(this.#objects.delete(caller.tenant, name, version), version);
    if (!wasThere) throw this.#absent();
  }

  #expectedVersion(caller: Caller, name: string, expected: Precondition): number | undefined {
    if (expected !== "present") return expected;
    const present = this.#objects.get(caller.tenant, name);
    if (!present) throw new AdminError("precondition", `there is no ${this.#kind.noun} of this name`);
    return present.version;
  }

  async #settle<R>(work: Promise<R>, expectedVersion: number | undefined): Promise<R> {
    try {
      return await settleInEngine(work);
    } catch (error) {
      if (!(error instanceof AdminError) || error.code !== "conflict" || expectedVersion === undefined)
        throw error;
      const what = expectedVersion === 0 ? "exists already" : "has another version by now; read it again";
      throw new AdminError("precondition", `the ${this.#kind.noun} ${what}`);
    }
  }

  #find({ tenant }: Caller, name: string): NamedObject<T> {
    const object = this.#objects.get(tenant, name);
    if (!object) throw this.#absent();
    return object;
  }

  #absent(): AdminError {
    return new AdminError("not-found", `there is no ${this.#kind.noun} of this name`);
  }

  #show(object: NamedObject<T>): ShownObject {
    const { name, version, createdAtMs, updatedAtMs } = object;
    const times = { createdAt: formatTime(createdAtMs), updatedAt: formatTime(updatedAtMs) };
    return { version, shown: { name, ...this.#kind.present(object), ...times } };
  }
}
