import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@weir/source"] },
  ssr: { resolve: { conditions: ["@weir/source"] } },
  test: {
    include: [
      "packages/*/src/**/*.test.ts",
      "examples/*/src/**/*.test.ts",
      "examples/*/web/src/**/*.test.ts",
      "scripts/**/*.test.ts",
      "bench/**/*.test.ts",
    ],
    // All cores: many tests wait for processes, sockets and disks rather than compute
    maxWorkers: Math.max(availableParallelism(), 2),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A second, which is the default, is not long on a machine that has other things to do
    expect: { poll: { timeout: 20_000 } },
    passWithNoTests: false,
  },
});
