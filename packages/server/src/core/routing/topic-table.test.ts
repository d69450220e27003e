import { describe, expect, it } from "vitest";
import { TopicVersions } from "../topics/topic-versions.ts";
import { TopicTable } from "./topic-table.ts";

function table(generationSize: number, made: string[] = []): TopicTable {
  const versions = new TopicVersions(16);
  return new TopicTable((levels) => {
    made.push(levels.join("/"));
    return versions.slotsFor(levels);
  }, generationSize);
}

describe("TopicTable", () => {
  it("gives the same topic for the same name, split once", () => {
    const topics = table(10);
    expect(topics.get("a/b")).toBe(topics.get("a/b"));
    expect(topics.get("a//b").levels).toEqual(["a", "", "b"]);
  });

  it("keeps what is used, and forgets what was not used for a generation", () => {
    const made: string[] = [];
    const topics = table(3, made);
    const kept = topics.get("kept");
    for (let number = 0; number < 20; number += 1) {
      topics.get(`t${number}`);
      expect(topics.get("kept")).toBe(kept);
    }
    topics.get("t0");
    expect(made.filter((name) => name === "t0")).toHaveLength(2);
    expect(made.filter((name) => name === "kept")).toHaveLength(1);
  });
});
