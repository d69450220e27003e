import { describe, expect, it } from "vitest";
import { FakeClock } from "@weir/testkit";
import { messageOf, textOf } from "../../../testing/test-message.ts";
import { type MemoryEngine, openMemoryEngine } from "../../engine/memory/memory-engine.ts";
import { EngineError } from "../ports/engine.ts";
import { RetainedStore } from "../retained/retained-store.ts";
import { RetainedView } from "./retained-view.ts";

interface Viewed {
  readonly engine: MemoryEngine;
  readonly store: RetainedStore;
  readonly view: RetainedView;
  readonly current: () => string | undefined;
}

function open(engine: MemoryEngine = openMemoryEngine({ clock: new FakeClock() })): Viewed {
  const store = new RetainedStore();
  const view = new RetainedView(store, engine.kv("retained"), (name) => ({ name, levels: name.split("/") }));
  return { engine, store, view, current: () => textOf(store.get(["t"])) };
}

async function reopened({ engine }: Viewed): Promise<Viewed> {
  const viewed = open(engine);
  await viewed.view.load();
  return viewed;
}

describe("RetainedView", () => {
  it("shows a message at once, and takes it back where the log does not take it", () => {
    const { view, current } = open();
    view.put(messageOf("t", "1"));
    const { undo } = view.stage(messageOf("t", "2"));
    expect(current()).toBe("2");
    undo();
    expect(current()).toBe("1");
  });

  it("goes back to the newest that the log has, whichever of several it refuses", () => {
    const { view, current } = open();
    view.put(messageOf("t", "1"));
    const two = view.stage(messageOf("t", "2"));
    const three = view.stage(messageOf("t", "3"));
    const four = view.stage(messageOf("t", "4"));
    three.undo();
    expect(current()).toBe("4");
    two.keep();
    four.undo();
    expect(current()).toBe("2");
  });

  it("takes back a whole row of messages, and a removal", () => {
    const { view, current } = open();
    view.put(messageOf("t", "1"));
    const stages = ["2", "", "3"].map((payload) => view.stage(messageOf("t", payload)));
    for (const { undo } of stages) undo();
    expect(current()).toBe("1");
  });

  it("lets a newer message of QoS 0 stand whatever becomes of the older ones", () => {
    const { view, current } = open();
    const { undo } = view.stage(messageOf("t", "1"));
    view.put(messageOf("t", "2", { qos: 0 }));
    undo();
    expect(current()).toBe("2");
  });

  it("keeps bytes of its own", () => {
    const { view, current } = open();
    const message = messageOf("t", "1");
    view.put(message);
    message.payload.fill(0x58);
    expect(current()).toBe("1");
  });

  it("saves what has changed, and loads it with its position", async () => {
    const viewed = open();
    viewed.view.put(messageOf("t", "1", { expiresAtMs: 5, properties: { contentType: "x" } }));
    viewed.view.put(messageOf("u", "2"));
    await viewed.view.save(7);
    viewed.view.put(messageOf("u", ""));
    await viewed.view.save(8);
    const after = await reopened(viewed);
    expect([after.view.savedUpTo, after.store.count, after.current()]).toEqual([8, 1, "1"]);
    expect(after.store.get(["t"])).toMatchObject({ expiresAtMs: 5, properties: { contentType: "x" } });
  });

  it("takes from the log only what is newer than its saved position", async () => {
    const viewed = open();
    viewed.view.put(messageOf("t", "1"));
    await viewed.view.save(7);
    const after = await reopened(viewed);
    after.view.recover(messageOf("t", "old"), 7);
    expect(after.current()).toBe("1");
    after.view.recover(messageOf("t", "new"), 8);
    expect(after.current()).toBe("new");
    await after.view.save(8);
    expect((await reopened(after)).current()).toBe("new");
  });

  it("saves the next time what could not be saved", async () => {
    const viewed = open();
    viewed.view.put(messageOf("t", "1"));
    viewed.engine.hooks.fail({ kind: "put", error: new EngineError("full", "test"), outcome: "lost" });
    await expect(viewed.view.save(1)).rejects.toMatchObject({ code: "full" });
    expect(viewed.view.savedUpTo).toBe(0);
    await viewed.view.save(2);
    expect((await reopened(viewed)).current()).toBe("1");
  });
});
