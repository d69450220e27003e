import { beforeEach, describe, expect, it } from "vitest";
import { FakeRecipient, messageOf, subscriptionOf } from "../../../testing/test-message.ts";
import type { Message } from "../ports/message.ts";
import { Outbox } from "./outbox.ts";
import { ShareGroup, type ShareGroupHome } from "./share-group.ts";

class Home implements ShareGroupHome {
  readonly tree = new Set<string>();
  readonly outboxes = new Map<string, Outbox>();
  readonly log = new Map<number, Message>();
  droppedCount = 0;
  tailSeq = 0;

  addToTree(filter: string): void {
    this.tree.add(filter);
  }

  removeFromTree(filter: string): void {
    this.tree.delete(filter);
  }

  openOutbox(filter: string): Outbox {
    const outbox = this.outboxes.get(filter) ?? new Outbox(filter);
    this.outboxes.set(filter, outbox);
    return outbox;
  }

  openFrozen(): Outbox {
    return new Outbox("");
  }

  seqBefore(): number {
    return 0;
  }

  closeOutbox(outbox: Outbox): void {
    this.outboxes.delete(outbox.filter);
  }

  readonly isRecovered = true;

  async fetch(seqs: readonly number[]): Promise<{ seq: number; message: Message }[]> {
    await Promise.resolve();
    return seqs.map((seq) => ({ seq, message: this.log.get(seq) as Message }));
  }

  dropped(_reason: string, count: number): void {
    this.droppedCount += count;
  }

  feedFailed(): void {}
}

let home: Home;
let group: ShareGroup;
let one: FakeRecipient;
let two: FakeRecipient;

beforeEach(() => {
  home = new Home();
  group = new ShareGroup("g", home);
  one = new FakeRecipient("one");
  two = new FakeRecipient("two");
});

function join(...recipients: readonly FakeRecipient[]): void {
  for (const recipient of recipients) group.join(subscriptionOf(recipient, "t"));
}

/** As the router does for a record that the tail brings. */
function logged(payload: string): void {
  const seq = home.tailSeq + 1;
  const message = messageOf("t", payload);
  home.log.set(seq, message);
  group.deliverLogged(message, seq);
  for (const outbox of home.outboxes.values()) outbox.note(seq, 1, undefined);
  home.tailSeq = seq;
}

async function pump(): Promise<void> {
  group.pump();
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

describe("a share group of sessions that do not persist", () => {
  it("gives each message to one member, in turn", () => {
    join(one, two);
    for (const payload of ["1", "2", "3", "4"]) group.deliver(messageOf("t", payload));
    expect([one.got, two.got]).toEqual([
      ["1", "3"],
      ["2", "4"],
    ]);
  });

  it("passes over members without room, without connection, or who may not read the topic [MQTT-4.8.2-4]", () => {
    join(one, two);
    one.hasRoom = false;
    group.deliver(messageOf("t", "1"));
    one.hasRoom = true;
    two.unreadable.add("t");
    group.deliver(messageOf("t", "2"));
    one.isConnected = false;
    group.deliver(messageOf("t", "3"));
    expect([one.got, two.got]).toEqual([["2"], ["1"]]);
  });

  it("lets the next in turn queue it where all are out of room", () => {
    join(one, two);
    one.hasRoom = two.hasRoom = false;
    group.deliver(messageOf("t", "1"));
    expect([...one.got, ...two.got]).toEqual(["1"]);
  });

  it("gives what comes back to another member, once there is one", () => {
    join(one);
    group.deliver(messageOf("t", "1"));
    one.isConnected = false;
    one.returnLast(group);
    expect(group.waiting).toBe(1);
    join(two);
    group.pump();
    expect([group.waiting, two.got]).toEqual([0, ["1"]]);
  });

  it("stands in the tree under each granted filter as long as a member has it", () => {
    const first = subscriptionOf(one, "t");
    const second = subscriptionOf(two, "t");
    group.join(first);
    group.join(second);
    group.leave(first);
    expect([...home.tree]).toEqual(["t"]);
    group.leave(second);
    expect([home.tree.size, group.isEmpty]).toEqual([0, true]);
  });
});

describe("a share group with a persistent member", () => {
  beforeEach(() => {
    one.isLogged = true;
  });

  it("waits in the log while nobody is there, and goes on in order", async () => {
    join(one, two);
    one.isConnected = two.isConnected = false;
    for (const payload of ["1", "2", "3"]) logged(payload);
    expect(group.waiting).toBe(3);
    two.isConnected = true;
    await pump();
    await pump();
    expect([two.got, group.waiting]).toEqual([["1", "2", "3"], 0]);
    logged("4");
    expect(two.got.at(-1)).toBe("4");
  });

  it("does not keep what nobody may read", () => {
    join(one, two);
    one.unreadable.add("t");
    two.unreadable.add("t");
    logged("1");
    expect([group.waiting, group.cursor()]).toEqual([0, { takenUpTo: 1, ahead: [], returned: [] }]);
  });

  it("serves also a filter that only members without the log have", () => {
    group.join(subscriptionOf(two, "u"));
    group.join(subscriptionOf(one, "t"));
    expect([...home.outboxes.keys()].sort()).toEqual(["t", "u"]);
  });

  it("saves what came back, and gives it first", async () => {
    join(one);
    logged("1");
    logged("2");
    one.isConnected = false;
    one.returnLast(group);
    expect(group.cursor()).toEqual({ takenUpTo: 2, ahead: [], returned: [2] });
    logged("3");
    join(two);
    await pump();
    expect(two.got).toEqual(["2", "3"]);
  });

  it("takes up after a crash where it was, but for what members have", async () => {
    group.join(subscriptionOf(one, "t"), 4);
    one.isConnected = false;
    group.recover([{ seq: 3, message: messageOf("t", "3") }], [6]);
    for (const seq of [5, 6, 7]) {
      home.log.set(seq, messageOf("t", String(seq)));
      for (const outbox of home.outboxes.values()) outbox.note(seq, 1, undefined);
    }
    home.tailSeq = 7;
    one.isConnected = true;
    await pump();
    expect(one.got).toEqual(["3", "5", "7"]);
  });

  it("reads the log no longer when its last persistent member leaves", () => {
    const member = subscriptionOf(one, "t");
    group.join(member);
    join(two);
    group.leave(member);
    expect([group.isLogged, home.outboxes.size]).toEqual([false, 0]);
    group.deliver(messageOf("t", "1"));
    expect(two.got).toEqual(["1"]);
  });
});
