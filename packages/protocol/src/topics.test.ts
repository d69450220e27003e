import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countLevels,
  isTopicFilter,
  isTopicName,
  parseShareFilter,
  splitLevels,
  topicMatches,
} from "./index.ts";

describe("isTopicName()", () => {
  it.each(["a", "/", "//", "a/b", "$SYS/x", " ", "a//b", "Über/straße", "\ufeff", "x".repeat(65_535)])(
    "accepts %j",
    (topic) => expect(isTopicName(topic)).toBe(true),
  );

  it.each([
    "",
    "#",
    "a/#",
    "+",
    "a+b",
    "a\0",
    "a\u0007",
    "\u0085",
    "\uffff",
    "\ud800",
    "x".repeat(65_536),
    "ß".repeat(32_768),
  ])("refuses %j [MQTT-3.3.2-2] [MQTT-4.7.3-1]", (topic) => expect(isTopicName(topic)).toBe(false));

  it("keeps to the limits that it is given, in bytes and levels", () => {
    expect(isTopicName("a/b/c", { maxLevels: 3 })).toBe(true);
    expect(isTopicName("a/b/c/", { maxLevels: 3 })).toBe(false);
    expect(isTopicName("ßß", { maxBytes: 4 })).toBe(true);
    expect(isTopicName("ßßa", { maxBytes: 4 })).toBe(false);
    expect(isTopicName("€€", { maxBytes: 6 })).toBe(true);
    expect(isTopicName("€€", { maxBytes: 5 })).toBe(false);
    expect(isTopicName("x".repeat(65_536), { maxBytes: 100_000 })).toBe(false);
  });
});

describe("isTopicFilter()", () => {
  it.each([
    "#",
    "+",
    "/",
    "a/#",
    "+/#",
    "+/a/+",
    "/+",
    "a//#",
    "$SYS/#",
    "$share",
    "$shared/x",
    "$share/g/#",
    "$share/g//",
  ])("accepts %j", (filter) => expect(isTopicFilter(filter)).toBe(true));

  it.each([
    "",
    "##",
    "a#",
    "a/b#",
    "#/a",
    "a/#/b",
    "++",
    "a+",
    "+a/b",
    "a/+b",
    "$share/",
    "$share/g",
    "$share/g/",
    "$share//a",
    "$share/a+/b",
    "$share/#/b",
    "$share/g/a#",
    "a\0",
  ])("refuses %j [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-2]", (filter) =>
    expect(isTopicFilter(filter)).toBe(false),
  );
});

describe("parseShareFilter()", () => {
  it.each([
    ["$share/readers/data/#", { group: "readers", filter: "data/#" }],
    ["$share/g//a", { group: "g", filter: "/a" }],
    ["$share/g/$SYS/x", { group: "g", filter: "$SYS/x" }],
    ["$share/g", undefined],
    ["$share//a", undefined],
    ["a/$share/g/b", undefined],
  ])("of %j [MQTT-4.8.2-1]", (filter, parts) => {
    expect(parseShareFilter(filter)).toEqual(parts);
  });
});

describe("topicMatches()", () => {
  // The examples of MQTT 5.0 §4.7
  it.each([
    ["sport/tennis/player1/#", "sport/tennis/player1", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
    ["sport/#", "sport", true],
    ["#", "sport/tennis", true],
    ["sport/tennis/+", "sport/tennis/player1", true],
    ["sport/tennis/+", "sport/tennis/player1/ranking", false],
    ["sport/+", "sport", false],
    ["sport/+", "sport/", true],
    ["+/+", "/finance", true],
    ["/+", "/finance", true],
    ["+", "/finance", false],
    ["#", "$SYS/a", false],
    ["+/monitor/Clients", "$SYS/monitor/Clients", false],
    ["$SYS/#", "$SYS/a", true],
    ["$SYS/monitor/+", "$SYS/monitor/Clients", true],
    ["a/+/b", "a//b", true],
    ["a/#", "ab", false],
    ["a/+/#", "a/b", true],
    ["a/+/#", "a", false],
    ["ACCOUNTS", "Accounts", false],
    ["/finance", "finance", false],
  ])("of %j and %j is %j [MQTT-4.7.2-1]", (filter, topic, isMatch) => {
    expect(topicMatches(filter, topic)).toBe(isMatch);
  });

  it("says the same as a regular expression made from the filter", () => {
    const level = fc.constantFrom("", "a", "b", "$c", "+");
    const filters = fc
      .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([levels, isOpen]) => [...levels, ...(isOpen ? ["#"] : [])].join("/"))
      .filter((filter) => filter !== "");
    const topics = fc
      .array(fc.constantFrom("", "a", "b", "$c"), { minLength: 1, maxLength: 5 })
      .map((levels) => levels.join("/"))
      .filter((topic) => topic !== "");
    fc.assert(
      fc.property(filters, topics, (filter, topic) => {
        expect(topicMatches(filter, topic)).toBe(expressionOf(filter).test(topic));
      }),
      { numRuns: 5_000 },
    );
  });
});

function expressionOf(filter: string): RegExp {
  const open = filter.endsWith("/#") ? "(/.*)?" : "";
  const fixed =
    filter === "#" ? ".*" : filter.replace(/\/#$/, "").replaceAll("$", "\\$").replaceAll("+", "[^/]*");
  const guard = /^[+#]/.test(filter) ? "(?!\\$)" : "";
  return new RegExp(`^${guard}${fixed}${open}$`);
}

describe("levels", () => {
  it("are one more than the slashes", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "/", "b")), (parts) => {
        const topic = parts.join("");
        expect(countLevels(topic)).toBe(splitLevels(topic).length);
      }),
    );
    expect(splitLevels("/a//b")).toEqual(["", "a", "", "b"]);
  });
});
