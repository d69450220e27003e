import { expect, test } from "vitest";
import { statementIdsIn, withoutCitations } from "./statement-ids.mjs";

test.each([
  ["closes [MQTT-3.1.0-2]", ["3.1.0-2"]],
  ["closes [MQTT-4.2-1]", ["4.2-1"]],
  ["is read [MQTT-3.1.3-1] [MQTT-3.1.2-9, -17, -19]", ["3.1.3-1", "3.1.2-9", "3.1.2-17", "3.1.2-19"]],
  ["come [MQTT-3.3.1-9 to -11]", ["3.3.1-9", "3.3.1-10", "3.3.1-11"]],
  ["come [MQTT-3.3.1-9 to 3.3.1-10, 3.8.4-8]", ["3.3.1-9", "3.3.1-10", "3.8.4-8"]],
  ["a section [MQTT-3.9.3], and nothing", []],
])("%s cites %j", (title, ids) => {
  expect(statementIdsIn(title)).toEqual({ v5: ids, v311: [], unreadable: [] });
});

test("statements of 3.1.1 are told apart from section 3.1.1 of 5.0", () => {
  const title = "is kept [MQTT-3.1.1 3.1.2-4, 3.2.2-2] [MQTT-3.1.1-1]";
  expect(statementIdsIn(title)).toEqual({ v5: ["3.1.1-1"], v311: ["3.1.2-4", "3.2.2-2"], unreadable: [] });
});

test.each(["[MQTT-]", "[MQTT--2]", "[MQTT-3.1.2-]", "[MQTT-3.1.2-1 to 3.1.3-2]", "[MQTT-3.1.2-1 and 2]"])(
  "%s cannot be read",
  (citation) => {
    expect(statementIdsIn(citation)).toEqual({ v5: [], v311: [], unreadable: [citation] });
  },
);

test("a title is shown without what it cites", () => {
  expect(withoutCitations("closes [MQTT-3.1.0-2] [MQTT-3.1.1 3.1.0-2] at once")).toBe("closes at once");
});
