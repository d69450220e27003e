import { topicMatches } from "@weir/protocol";
import { describe, expect, it } from "vitest";
import { Random } from "../../../testing/random.ts";
import { messageOf, textOf } from "../../../testing/test-message.ts";
import { RetainedStore } from "./retained-store.ts";

const levels = ["a", "b", "", "$s", "c"];

function topic(random: Random): string {
  const name = Array.from({ length: 1 + random.below(3) }, () => random.pick(levels)).join("/");
  return name === "" ? "a" : name;
}

function filter(random: Random): string {
  const parts = Array.from({ length: 1 + random.below(3) }, () => random.pick([...levels, "+"]));
  if (random.chance(0.4)) parts.push("#");
  const text = parts.join("/");
  return text === "" ? "#" : text;
}

describe("RetainedStore", () => {
  it.each(Array.from({ length: 20 }, (_, index) => index + 1))("holds what a Map would: seed %i", (seed) => {
    const random = new Random(seed);
    const store = new RetainedStore();
    const model = new Map<string, string>();
    for (let step = 0; step < 300; step += 1) {
      const name = topic(random);
      const payload = random.chance(0.3) ? "" : String(step);
      store.put(messageOf(name, payload));
      if (payload === "") model.delete(name);
      else model.set(name, payload);
      const asked = filter(random);
      const found = [...store.match(asked.split("/"))].map((one) => `${one.topic.name}=${textOf(one)}`);
      const expected = [...model]
        .filter(([one]) => topicMatches(asked, one))
        .map(([one, text]) => `${one}=${text}`);
      expect({ asked, found: found.sort() }).toEqual({ asked, found: expected.sort() });
      expect(store.count).toBe(model.size);
      expect(textOf(store.get(name.split("/")))).toBe(model.get(name));
    }
  });

  it("gives `a` for `a/#`, and no `$…` topic for a leading wildcard [MQTT-4.7.2-1]", () => {
    const store = new RetainedStore();
    for (const name of ["a", "$s/a"]) store.put(messageOf(name, "1"));
    const names = (asked: string): string[] =>
      [...store.match(asked.split("/"))].map((one) => one.topic.name);
    expect([names("a/#"), names("#"), names("+/a"), names("$s/#")]).toEqual([["a"], ["a"], [], ["$s/a"]]);
  });
});
