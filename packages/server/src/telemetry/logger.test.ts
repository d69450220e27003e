import { describe, expect, it } from "vitest";
import { createAccessKey } from "../auth/access-key.ts";
import { createLogger, type LogLevel } from "./logger.ts";

function logged(
  log: (logger: ReturnType<typeof createLogger>) => void,
  options: { isTTY?: boolean; level?: LogLevel } = {},
): string {
  let output = "";
  const { isTTY = false, level = "debug" } = options;
  const logger = createLogger({
    level,
    stream: { isTTY, write: (line) => (output += line) },
    secrets: ['an "odd" secret'],
  });
  log(logger);
  return output;
}

describe("createLogger()", () => {
  it("writes a JSON object a line with time, level, text and fields", () => {
    const line = logged((logger) => logger.warn({ session: "s1" }, "something"));
    expect(JSON.parse(line)).toMatchObject({ level: "warn", msg: "something", session: "s1" });
    expect(line).toMatch(/"time":"\d{4}-\d{2}-\d{2}T[\d:.]+Z"/);
  });

  it("writes a line for people on a terminal", () => {
    const line = logged(
      (logger) => logger.info({ address: "127.0.0.1:1883", why: "because of" }, "listens"),
      { isTTY: true },
    );
    expect(line).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} info {2}listens address=127\.0\.0\.1:1883 why="because of"\n$/,
    );
  });

  it("writes an error with its stack", () => {
    const line = logged((logger) => logger.error({ error: new Error("broken") }, "oh"));
    expect(JSON.parse(line)).toMatchObject({ error: { name: "Error", message: "broken" } });
    expect(line).toContain("logger.test.ts");
  });

  it("keeps below its level", () => {
    expect(logged((logger) => logger.info({}, "x"), { level: "warn" })).toBe("");
    expect(logged((logger) => logger.error({}, "x"), { level: "silent" })).toBe("");
  });

  it.each([false, true])("masks keys and secrets wherever they stand (terminal: %s)", (isTTY) => {
    const key = createAccessKey("abc");
    const secret = 'an "odd" secret';
    const output = logged(
      (logger) => {
        logger.info(
          {
            note: `user ${key}`,
            deep: { deeper: [key, secret] },
            password: "pw",
            x: { authorization: "az" },
          },
          `text ${key}`,
        );
        logger.error({ error: new Error(`wrong ${key} ${secret}`) }, secret);
      },
      { isTTY },
    );
    for (const hidden of [key.slice("weir_abc_".length), "odd", "pw", "az"])
      expect(output).not.toContain(hidden);
    expect(output).toContain("weir_abc_[redacted]");
  });
});
