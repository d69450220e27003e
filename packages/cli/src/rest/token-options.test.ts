import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { WrongUse } from "../command-failure.ts";
import { addTokenOptions, type TokenFlags, toTokenCreate, toTokenPatch } from "./token-options.ts";

function flagsOf(...argv: readonly string[]): TokenFlags {
  return addTokenOptions(new Command()).parse(argv, { from: "user" }).opts();
}

describe("weir token create", () => {
  it("makes a template of --mint-… flags", () => {
    const flags = flagsOf(
      ..."--mint-subject user:* --mint-subject device:* --mint-max-ttl 12h --mint-max-tokens 500".split(" "),
      ..."--mint-allow subscribe,replay:data/${subject}/# --mint-deny subscribe:data/+/secret".split(" "),
    );
    expect(toTokenCreate(flags)).toEqual({
      mint: {
        subjects: ["user:*", "device:*"],
        acl: [
          { actions: ["subscribe", "replay"], topic: "data/${subject}/#" },
          { effect: "deny", actions: ["subscribe"], topic: "data/+/secret" },
        ],
        maxTtl: 43_200,
        maxTokens: 500,
      },
    });
  });

  it("takes the whole template as JSON", () => {
    expect(toTokenCreate(flagsOf("--mint", '{"subjects":["*"]}'))).toEqual({ mint: { subjects: ["*"] } });
  });

  it("takes policies and limits", () => {
    const flags = flagsOf(
      "--policy",
      "p1",
      "--limit",
      "publishRate=0.5",
      "--limit",
      "queuePolicy=drop-newest",
    );
    const limits = { publishRate: 0.5, queuePolicy: "drop-newest" };
    expect(toTokenPatch(flags)).toEqual({ policies: ["p1"], limits });
  });

  it("takes a password as it is, or from a file without its last newline", () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-password-"));
    const file = join(folder, "password");
    writeFileSync(file, "a secret\n");
    for (const password of ["a secret", `@${file}`])
      expect(toTokenCreate(flagsOf("--username", "d1", "--password", password))).toEqual({
        username: "d1",
        password: "a secret",
      });
    rmSync(folder, { recursive: true });
    expect(() => toTokenCreate(flagsOf("--password", `@${file}`))).toThrow(/--password cannot be read/);
  });

  it.each([
    ["without a subject", "--mint-allow", "subscribe:#"],
    ["twice over", "--mint", "{}", "--mint-subject", "*"],
    ["with a number that is none", "--mint-subject", "*", "--mint-max-tokens", "many"],
    ["with an entry that is none", "--mint-subject", "*", "--mint-allow", "read:x"],
    ["with a limit that is none", "--limit", "connections"],
  ])("refuses a template or limit %s as wrong use", (_, ...argv) => {
    expect(() => toTokenCreate(flagsOf(...argv))).toThrow(WrongUse);
  });
});
