import type { Page, PageQuery } from "./page.ts";

/** Calls for one kind of named objects: they all have the same manners. */
export interface NamedCalls<Put, Shown> {
  list(page?: PageQuery): Promise<Page<Shown>>;
  get(name: string): Promise<Shown>;
  /**
   * Makes it, or puts another in its place.
   *
   * @param options.ifNew only where there is none of this name; else the call rejects with `precondition`
   */
  put(name: string, object: Put, options?: { readonly ifNew?: boolean }): Promise<Shown>;
  delete(name: string): Promise<void>;
}
