/** Why a data directory was not opened. The text says what to do. */
export class StoreError extends Error {
  /** `locked`: another process has it. `newer-format`: a newer version wrote it. `not-a-store`: it holds something else. `unusable`: it cannot be made or written to. */
  readonly code: "locked" | "newer-format" | "not-a-store" | "broken" | "unusable";
  /** Of the process that has the directory. */
  readonly pid: number | undefined;

  constructor(code: StoreError["code"], message: string, pid?: number) {
    super(message);
    this.name = "StoreError";
    this.code = code;
    this.pid = pid;
  }
}

export function newerFormat(what: string, format: number, known: number): StoreError {
  return new StoreError(
    "newer-format",
    `${what} was written by a newer version of Weir (format ${format}; this one knows ${known}): start that version, or restore a backup that this one wrote`,
  );
}
