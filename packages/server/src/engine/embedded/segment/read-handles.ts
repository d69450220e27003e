import type { Files, OpenFile } from "../disk/files.ts";

interface Handle {
  readonly file: Promise<OpenFile>;
  users: number;
  onIdle: (() => void) | undefined;
}

/** Files that are open for reading: a few, the longest unused are closed first. */
export class ReadHandles {
  readonly #files: Files;
  readonly #maxOpen: number;
  readonly #handles = new Map<string, Handle>();

  constructor(files: Files, maxOpen = 32) {
    this.#files = files;
    this.#maxOpen = maxOpen;
  }

  /** The file stays there and open until `use` has settled, whatever `close` says meanwhile. */
  async with<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
    const handle = this.#open(path);
    handle.users += 1;
    try {
      return await use(await handle.file);
    } catch (error) {
      if (this.#handles.get(path) === handle) this.#handles.delete(path);
      throw error;
    } finally {
      handle.users -= 1;
      if (handle.users === 0) handle.onIdle?.();
      this.#closeSome();
    }
  }

  /** Resolves when nobody uses the file any longer. */
  async close(path: string): Promise<void> {
    const handle = this.#handles.get(path);
    if (handle === undefined) return;
    this.#handles.delete(path);
    if (handle.users > 0) await new Promise<void>((resolve) => (handle.onIdle = resolve));
    await closeQuietly(handle);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#handles.keys()].map((path) => this.close(path)));
  }

  #open(path: string): Handle {
    const known = this.#handles.get(path);
    const handle = known ?? { file: this.#files.open(path, "read"), users: 0, onIdle: undefined };
    if (known !== undefined) this.#handles.delete(path);
    this.#handles.set(path, handle);
    return handle;
  }

  #closeSome(): void {
    if (this.#handles.size <= this.#maxOpen) return;
    for (const [path, handle] of this.#handles) {
      if (this.#handles.size <= this.#maxOpen) return;
      if (handle.users > 0) continue;
      this.#handles.delete(path);
      void closeQuietly(handle);
    }
  }
}

async function closeQuietly(handle: Handle): Promise<void> {
  try {
    await (await handle.file).close();
  } catch {
    // It was open for reading only: nothing is lost.
  }
}
