import {
  type HistoryDeclaration,
  HistoryDeclarationError,
  parseHistory,
} from "../core/history/history-declaration.ts";
import { AdminError } from "./admin-error.ts";
import type { ObjectKind } from "./object-admin.ts";

/**
 * Histories: they take room on the disk, so `admin` alone makes them.
 *
 * @param isConfigured whether the configuration has a history of that name, which REST does not change
 * @param hasRoom whether the tenant may have one of that name, by its limits
 */
export function historyObjects(
  isConfigured: (tenant: string, name: string) => boolean,
  hasRoom: (tenant: string, name: string) => boolean,
): ObjectKind<HistoryDeclaration> {
  return {
    path: "histories",
    noun: "history",
    scope: "admin",
    parse(body, name, caller) {
      if (isConfigured(caller.tenant, name))
        throw new AdminError("conflict", "the configuration has a history of this name; change it there");
      if (!hasRoom(caller.tenant, name))
        throw new AdminError("conflict", "the tenant has as many histories as its limits allow");
      try {
        return parseHistory(body);
      } catch (error) {
        if (error instanceof HistoryDeclarationError) throw new AdminError("invalid", error.message);
        throw error;
      }
    },
    present({ value }) {
      return { ...value };
    },
  };
}
