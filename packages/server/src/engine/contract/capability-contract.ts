import type { EngineUnderTest } from "./engine-under-contract.ts";

type Capabilities = EngineUnderTest["capabilities"];

const reasons: Readonly<Record<keyof Capabilities, string>> = {
  openPair: "this engine has no second node to open",
  crash: "this set-up of the engine cannot be crashed",
  openBounded: "this engine has no small log to open",
};

/** The options of a test that needs something of the engine: skipped, with the reason, where the engine does not offer it. */
export function needs(
  { capabilities }: EngineUnderTest,
  name: keyof Capabilities,
): { readonly skip: boolean; readonly meta: { readonly skipReason: string } } {
  return { skip: capabilities[name] === undefined, meta: { skipReason: reasons[name] } };
}
