import { describe, expect, it } from "vitest";
import { problemsOf } from "../../../testing/core-checks.ts";
import { CoreScript, type ScriptOptions } from "../../../testing/core-script.ts";

/** More for a long run: `WEIR_MODEL_SCRIPTS=1000 npx vitest run core-model`. */
const scripts = Number(process.env["WEIR_MODEL_SCRIPTS"] ?? 40);
const crashesPerScript = 30;

/** Half of the scripts hold the engine back, and let its operations go one by one. */
function scriptOf(seed: number): ScriptOptions {
  return { seed, isHeld: seed % 2 === 1 };
}

async function expectNoProblems(options: ScriptOptions): Promise<number> {
  const result = await new CoreScript(options).run();
  const problems = problemsOf(result, options.hasFailures, options.queue !== undefined);
  expect({ options, problems }).toEqual({ options, problems: [] });
  return result.points;
}

/** Points of the engine at which to crash, and for half of them what had not settled may have been stored all the same. */
function crashesOf(seed: number, points: number): Pick<ScriptOptions, "crashAt" | "crashSeed">[] {
  const every = Math.max(1, Math.floor(points / crashesPerScript));
  const first = 1 + (seed % every);
  return Array.from({ length: Math.ceil((points - first) / every) }, (_, index) => {
    const crashAt = first + index * every;
    return index % 2 === 0 ? { crashAt } : { crashAt, crashSeed: crashAt };
  });
}

describe("the session core under a random script", () => {
  it("keeps MQTT's promises while nothing fails", async () => {
    for (let seed = 1; seed <= scripts * 5; seed += 1) await expectNoProblems(scriptOf(seed));
  });

  it("keeps them where the engine fails, is full, or does not know", async () => {
    for (let seed = 1; seed <= scripts * 5; seed += 1)
      await expectNoProblems({ ...scriptOf(seed), hasFailures: true });
  });

  it.each(["drop-oldest", "drop-newest", "latest-per-topic"] as const)(
    "sends nothing twice, in another order or unasked for where queues are short, also through crashes: %s",
    async (queuePolicy) => {
      for (let seed = 1; seed <= scripts; seed += 1) {
        const options = { ...scriptOf(seed), queue: { queuedMessages: 1 + (seed % 4), queuePolicy } };
        const points = await expectNoProblems(options);
        for (const crash of crashesOf(seed, points).slice(0, 3))
          await expectNoProblems({ ...options, ...crash });
      }
    },
  );

  it.each(Array.from({ length: scripts }, (_, index) => index + 1))(
    "keeps them through a crash at any await: script %i",
    async (seed) => {
      const points = await expectNoProblems(scriptOf(seed));
      for (const crash of crashesOf(seed, points)) await expectNoProblems({ ...scriptOf(seed), ...crash });
    },
  );
});
