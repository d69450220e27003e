import type { Qos } from "@weir/protocol";
import { Random } from "../random.ts";
import type { Ledger } from "./ledger.ts";
import { TortureClient, type TortureClientOptions } from "./torture-client.ts";

export interface TortureClients {
  readonly publishers: readonly TortureClient[];
  /** They come and go. */
  readonly subscribers: readonly TortureClient[];
  /** Is cut at the end, and its will must come. */
  readonly cut: TortureClient;
  /** Goes down with the broker and stays away: its will must come when the broker has waited for it. */
  readonly away: TortureClient;
  readonly all: readonly TortureClient[];
}

/** Everything that is acknowledged, to all kinds of sessions: by 5.0 and 3.1.1, alone and in a group. */
export function createClients(ledger: Ledger, seed: number): TortureClients {
  const make = (options: TortureClientOptions): TortureClient => {
    return new TortureClient(options, ledger, new Random(seed * 31 + numberOf(options.name)));
  };
  const publishers = (["PA", "PB", "PC"] as const).map((name) => {
    const version = name === "PB" ? 4 : 5;
    return make({ name, version, next: chooser(name, new Random(seed * 17 + numberOf(name))) });
  });
  const subscribers = [
    make({ name: "S1", filters: [{ topicFilter: "t/#", qos: 2 }] }),
    make({ name: "S2", version: 4, filters: [{ topicFilter: "t/#", qos: 1 }] }),
    make({
      name: "S3",
      filters: [
        { topicFilter: "t/PA/+", qos: 2 },
        { topicFilter: "will/#", qos: 1 },
        { topicFilter: "r/+", qos: 2 },
      ],
    }),
    make({ name: "G1", filters: [{ topicFilter: "$share/g/s/#", qos: 2 }] }),
    make({ name: "G2", filters: [{ topicFilter: "$share/g/s/#", qos: 2 }] }),
    make({ name: "N1", sessionExpiryS: 0, filters: [{ topicFilter: "t/+/1", qos: 1 }] }),
  ];
  const [cut, away] = [make({ name: "W1" }), make({ name: "W2" })];
  for (const one of [cut, away]) {
    const { name } = one.options;
    one.will = {
      topic: `will/${name}`,
      payload: Buffer.from(`will-${name}`),
      qos: 1,
      retain: false,
      properties: {},
    };
  }
  return { publishers, subscribers, cut, away, all: [...publishers, ...subscribers, cut, away] };
}

function chooser(name: string, random: Random): NonNullable<TortureClientOptions["next"]> {
  return () => {
    const qos: Qos = random.chance(0.5) ? 1 : 2;
    const dice = random.below(10);
    if (dice === 0) return { topic: `r/${name}`, qos, retain: true };
    if (dice < 4) return { topic: `s/${name}`, qos, retain: false };
    return { topic: `t/${name}/${random.below(2)}`, qos, retain: false };
  };
}

function numberOf(name: string): number {
  return [...name].reduce((sum, character) => sum * 7 + (character.codePointAt(0) ?? 0), 0);
}
