// Every delivery against a naive model of rights, while these change at random. `npm run access-proof` goes on for hours.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ProofRun } from "../../testing/access-proof/proof-run.ts";

const ROUNDS = 15;
const chosenNow = Math.floor(Math.random() * 1e9);

/** Runs to its end, or tells what was done before it went wrong. */
async function prove(seed: number, data?: string): Promise<ProofRun["counts"]> {
  const run = await ProofRun.open(seed, data);
  try {
    await run.rounds(ROUNDS);
    return run.counts;
  } catch (error) {
    const done = run.journal.slice(-80).join("\n");
    throw new Error(`seed ${seed}${data === undefined ? "" : ", embedded"}:\n${done}`, { cause: error });
  } finally {
    await run.close();
  }
}

describe("while tokens, policies, groups, providers, keys, templates and revocations change at random", () => {
  test.each([1, 2, chosenNow])(
    "not one message is delivered that may not be seen, and none is missing that has to come: seed %i",
    { timeout: 120_000 },
    async (seed) => {
      const { published, refused, delivered, replayed, changes } = await prove(seed);
      expect([published > 40, refused > 0, delivered > 60, replayed > 0, changes.size > 3]).not.toContain(
        false,
      );
    },
  );

  test.each([3, chosenNow + 1])(
    "it is the same with the embedded engine: seed %i",
    { timeout: 120_000 },
    async (seed) => {
      const data = mkdtempSync(join(tmpdir(), "weir-access-proof-"));
      try {
        expect((await prove(seed, data)).delivered).toBeGreaterThan(60);
      } finally {
        rmSync(data, { recursive: true });
      }
    },
  );
});
