import { describe, expect, it } from "vitest";
import { fillTemplate, parseTemplate, type TemplateValues, usesClientId, widenTemplate } from "./template.ts";

const values: TemplateValues = { subject: "alice", clientId: "phone", tokenId: "t1" };

function filled(
  topic: string,
  effect: "allow" | "deny",
  given: Partial<TemplateValues> = {},
): readonly string[] | undefined {
  return fillTemplate(parseTemplate(topic), { ...values, ...given }, effect, 1_000)?.map((levels) =>
    levels.join("/"),
  );
}

function withClaim(value: unknown): Partial<TemplateValues> {
  return { claims: { value } };
}

describe("a template value (semantics.md §1.1)", () => {
  it("comes from the subject, the client id, the token or a claim", () => {
    expect(filled("a/${subject}/${clientId}/${tokenId}/#", "allow")).toEqual(["a/alice/phone/t1/#"]);
    expect(filled("a/${claims.org.unit}", "allow", { claims: { org: { unit: "north" } } })).toEqual([
      "a/north",
    ]);
  });

  it("may be a part of its level", () => {
    expect(filled("a/u-${subject}.x/+", "allow")).toEqual(["a/u-alice.x/+"]);
  });

  it("may be an integer of up to 2^53-1", () => {
    expect(filled("a/${claims.value}", "allow", withClaim(9_007_199_254_740_991))).toEqual([
      "a/9007199254740991",
    ]);
    expect(filled("a/${claims.value}", "allow", withClaim(-7))).toEqual(["a/-7"]);
  });

  it("may have 256 bytes", () => {
    expect(filled("a/${subject}", "allow", { subject: "é".repeat(128) })).toEqual([`a/${"é".repeat(128)}`]);
  });

  it("may begin with $ where it does not begin the filter", () => {
    expect(filled("a/${subject}", "allow", { subject: "$x" })).toEqual(["a/$x"]);
    expect(filled("a${subject}/b", "allow", { subject: "$x" })).toEqual(["a$x/b"]);
  });

  it.each([
    ["a level separator", "a/b"],
    ["a +", "+"],
    ["a #", "#"],
    ["a + within", "a+b"],
    ["NUL", "a\0"],
    ["a control character", "a\n"],
    ["a C1 control character", "a\u0085"],
    ["a lone surrogate", "a\ud800"],
    ["nothing in it", ""],
    ["257 bytes", "x".repeat(257)],
    ["257 bytes in 129 characters", `x${"é".repeat(128)}`],
    ["an integer above 2^53-1, which parsing has rounded", JSON.parse("9007199254740993")],
    ["a fraction", 1.5],
    ["infinity", Number.POSITIVE_INFINITY],
    ["true", true],
    ["null", null],
    ["an object", { a: "b" }],
    ["no value", undefined],
  ])("with %s makes an allow entry match nothing and a deny entry match with +", (_, value) => {
    expect(filled("a/x-${claims.value}/b", "allow", withClaim(value))).toEqual([]);
    expect(filled("a/x-${claims.value}/b", "deny", withClaim(value))).toEqual(["a/+/b"]);
  });

  it("that begins with $ may not begin the filter", () => {
    expect(filled("${subject}/x", "allow", { subject: "$SYS" })).toEqual([]);
    expect(filled("${subject}/x", "deny", { subject: "$SYS" })).toEqual(["+/x"]);
  });

  it("cannot put a $ at the beginning behind an empty value", () => {
    expect(filled("${claims.value}${subject}/x", "allow", { subject: "$SYS", ...withClaim("") })).toEqual([]);
  });

  it("that is missing because the credential is of the other kind fails closed", () => {
    const jwt = { subject: "alice", clientId: "c", claims: {} };
    expect(fillTemplate(parseTemplate("a/${tokenId}"), jwt, "allow", 10)).toEqual([]);
    expect(filled("a/${claims.account}", "allow")).toEqual([]);
    expect(filled("a/${claims.account}", "deny")).toEqual(["a/+"]);
  });

  it("is never read from a prototype or an array's properties", () => {
    for (const path of ["constructor.name", "__proto__", "toString", "value.length", "value.0"]) {
      expect(filled(`a/\${claims.${path}}`, "allow", withClaim(["x"]))).toEqual([]);
    }
    expect(filled("a/${constructor}", "allow")).toEqual([]);
    expect(filled("a/${claims}", "allow", withClaim("x"))).toEqual([]);
  });

  it("is looked up under the exact name of a claim before the path", () => {
    const claims = { "https://example.com/account": "u1", "a.b": "exact", a: { b: "path" } };
    expect(filled("data/${claims.https://example.com/account}/#", "allow", { claims })).toEqual([
      "data/u1/#",
    ]);
    expect(filled("data/${claims.a.b}", "allow", { claims })).toEqual(["data/exact"]);
  });

  it("is not expanded again", () => {
    expect(filled("a/${subject}", "allow", { subject: "${clientId}" })).toEqual(["a/${clientId}"]);
  });
});

describe("an array claim (semantics.md §1.1)", () => {
  it("makes one filter of each distinct element", () => {
    expect(filled("a/${claims.value}/#", "allow", withClaim(["x", 5, "x"]))).toEqual(["a/x/#", "a/5/#"]);
  });

  it("loses unusable elements of an allow entry, each alone; a deny entry has + for them", () => {
    expect(filled("a/${claims.value}", "allow", withClaim(["x", "#", ["y"]]))).toEqual(["a/x"]);
    expect(filled("a/${claims.value}", "deny", withClaim(["x", "#"]))).toEqual(["a/x", "a/+"]);
  });

  it("that is empty stands for nothing", () => {
    expect(filled("a/${claims.value}", "allow", withClaim([]))).toEqual([]);
    expect(filled("a/${claims.value}", "deny", withClaim([]))).toEqual([]);
  });

  it("has the same element wherever its placeholder stands in one filter", () => {
    expect(filled("${claims.value}/to/${claims.value}", "allow", withClaim(["x", "y"]))).toEqual([
      "x/to/x",
      "y/to/y",
    ]);
  });

  it("combines with another array", () => {
    const claims = { a: ["1", "2"], b: ["3", "4"] };
    expect(filled("${claims.a}/${claims.b}", "allow", { claims })).toEqual(["1/3", "1/4", "2/3", "2/4"]);
  });

  it("is refused where it would make more filters than the limit", () => {
    const claims = { a: Array.from({ length: 40 }, (_, i) => i), b: Array.from({ length: 40 }, (_, i) => i) };
    expect(filled("${claims.a}/${claims.b}", "allow", { claims })).toBeUndefined();
    expect(filled("${claims.a}/x", "allow", { claims })).toHaveLength(40);
  });
});

describe("templates", () => {
  it("widenTemplate() has + in each level with a placeholder", () => {
    expect(widenTemplate(parseTemplate("a/x${subject}/b/${claims.c}/#"))).toEqual(["a", "+", "b", "+", "#"]);
  });

  it("usesClientId() tells entries that the client could choose itself into", () => {
    expect(usesClientId([{ topic: "a/x-${clientId}/b" }])).toBe(true);
    expect(usesClientId([{ topic: "a/${claims.clientId}/clientId" }, { topic: "#" }])).toBe(false);
  });

  it("keep empty levels", () => {
    expect(filled("/${subject}//", "allow")).toEqual(["/alice//"]);
  });
});
