import { describe, expect, it } from "vitest";
import { TopicTable } from "./topic-table.ts";

const slotsFor = (): readonly [number, number, number, number] => [0, 0, 0, 0];

/** Of the names, those whose topic is still the same object. */
function remembered(table: TopicTable, seen: ReadonlyMap<string, object>): string[] {
  return [...seen].filter(([name, topic]) => table.get(name) === topic).map(([name]) => name);
}

describe("TopicTable", () => {
  it("remembers the last generations by number", () => {
    const table = new TopicTable(slotsFor, 10);
    const seen = new Map(Array.from({ length: 25 }, (_, at) => [`t${at}`, table.get(`t${at}`)]));
    expect(remembered(table, new Map([...seen].slice(-5)))).toHaveLength(5);
  });

  it("forgets the older ones", () => {
    const table = new TopicTable(slotsFor, 10);
    const seen = new Map(Array.from({ length: 30 }, (_, at) => [`t${at}`, table.get(`t${at}`)]));
    expect(remembered(table, new Map([...seen].slice(0, 10)))).toEqual([]);
  });

  it("remembers fewer topics where each is long and deep", () => {
    const table = new TopicTable(slotsFor, 1_000, 10_000);
    const deep = "level/".repeat(100);
    const seen = new Map(Array.from({ length: 100 }, (_, at) => [deep + at, table.get(deep + at)]));
    expect(remembered(table, new Map([...seen].slice(0, 90)))).toEqual([]);
  });

  it("remembers fewer topics where each has many recipients", () => {
    const table = new TopicTable(slotsFor, 1_000, 10_000);
    const seen = new Map<string, object>();
    for (let at = 0; at < 100; at++) {
      seen.set(`t${at}`, table.get(`t${at}`));
      table.recipientsAdded(1_000);
    }
    expect(remembered(table, new Map([...seen].slice(0, 90)))).toEqual([]);
  });
});
