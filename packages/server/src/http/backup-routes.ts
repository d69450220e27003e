import { Backup, BackupBegin, BackupList, IdPath } from "@weir/api";
import type { BackupAdmin } from "../admin/backup-admin.ts";
import type { Authorization } from "./authorization.ts";
import type { RestApi } from "./rest-api.ts";

/** What is used of the backups' use cases. */
export type BackupUseCases = Pick<BackupAdmin, "begin" | "get" | "list">;

export function addBackupRoutes(api: RestApi, backups: BackupUseCases, authorization: Authorization): void {
  const tags = ["backups"];

  api.post(
    "/backups",
    {
      schema: {
        tags,
        summary: "Begin a backup of the whole store, into the directory backups of the data directory",
        body: BackupBegin,
        response: { 202: Backup },
      },
      // No body is as good as an empty one
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async (request, reply) => {
      const begun = await backups.begin(authorization.callerOf(request), request.body.store);
      return reply.code(202).header("location", `/api/v1/backups/${begun.id}`).send(begun);
    },
  );

  api.get(
    "/backups",
    { schema: { tags, summary: "List backups", response: { 200: BackupList } } },
    async (request) => ({ items: [...(await backups.list(authorization.callerOf(request)))] }),
  );

  api.get(
    "/backups/:id",
    { schema: { tags, summary: "Read how far a backup is", params: IdPath, response: { 200: Backup } } },
    async (request) => backups.get(authorization.callerOf(request), request.params.id),
  );
}
