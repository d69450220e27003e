import { describe } from "vitest";
import type { Engine } from "../core/ports/engine.ts";
import { describeBus } from "./contract/bus-contract.ts";
import { createEngineUnderTest, type EngineCapabilities } from "./contract/engine-under-contract.ts";
import { describeKv } from "./contract/kv-contract.ts";
import { describeLifecycle } from "./contract/lifecycle-contract.ts";
import { describeLog } from "./contract/log-contract.ts";
import { describeLogModel } from "./contract/log-model-contract.ts";
import { describeOwners } from "./contract/owners-contract.ts";

export type { EngineCapabilities } from "./contract/engine-under-contract.ts";

/**
 * The one suite that each engine passes: every sentence of `core/ports/engine.ts` as a test. `openEngine` opens an
 * empty engine; what not every engine can show (two nodes, a crash, a small log) is tested where `capabilities` has it.
 */
export function describeEngineContract(
  name: string,
  openEngine: () => Promise<Engine>,
  capabilities: EngineCapabilities = {},
): void {
  describe(`${name} fulfils the engine contract`, () => {
    const under = createEngineUnderTest(openEngine, capabilities);
    describeLog(under);
    describeLogModel(under);
    describeKv(under);
    describeOwners(under);
    describeBus(under);
    describeLifecycle(under);
  });
}
