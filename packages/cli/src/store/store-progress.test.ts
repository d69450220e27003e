import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { withProgress } from "./store-progress.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function terminal(isTTY: boolean): { stream: NodeJS.WriteStream; written: string[] } {
  const written: string[] = [];
  const stream = { isTTY, columns: 80, write: (text: string) => written.push(text) > 0 };
  return { stream: stream as unknown as NodeJS.WriteStream, written };
}

test("what ends within a second shows nothing but a line that is wiped", async () => {
  const { stream, written } = terminal(true);
  const done = withProgress(
    "Checking",
    stream,
    () => new Promise((resolve) => void setTimeout(resolve, 900)),
  );
  await vi.advanceTimersByTimeAsync(900);
  await done;
  expect(written).toEqual(["\r\u001b[2K"]);
});

test("what takes longer shows on a terminal how far it is, in one line", async () => {
  const { stream, written } = terminal(true);
  const done = withProgress("Checking", stream, (onProgress) => {
    onProgress({ doneBytes: 3 * 1_048_576, totalBytes: 12 * 1_048_576 });
    return new Promise((resolve) => void setTimeout(resolve, 2_100));
  });
  await vi.advanceTimersByTimeAsync(2_100);
  await done;
  expect(written[0]).toBe("\r\u001b[2KChecking: 25 %, 3.0 MiB of 12.0 MiB, 1 s");
  expect(written.at(-1)).toBe("\r\u001b[2K");
});

test("elsewhere it is a line now and then, and what fails leaves no timer", async () => {
  const { stream, written } = terminal(false);
  const done = withProgress("Backing up", stream, async () => {
    await new Promise((resolve) => void setTimeout(resolve, 11_000));
    throw new Error("no");
  });
  const failed = expect(done).rejects.toThrow("no");
  await vi.advanceTimersByTimeAsync(11_000);
  await failed;
  expect(written).toEqual(["Backing up: 5 s\n", "Backing up: 10 s\n"]);
  expect(vi.getTimerCount()).toBe(0);
});
