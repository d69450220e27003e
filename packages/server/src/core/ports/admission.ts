/** Somebody at the door. */
export interface Entrant {
  /** Where it comes from: each network's entrants take turns with the others'. */
  readonly address: string;
  /** What it holds in memory while it waits. */
  readonly bytes: number;
  /** Its turn has come. */
  admitted(): void;
}

/** Lets in at a steady rate whoever comes, with a bounded line in front of the door. */
export interface Admission {
  /** `now`: go on. `later`: `admitted` will be called, unless `leave` comes first. `full`: there is no place to wait. */
  enter(entrant: Entrant): "now" | "later" | "full";
  /** It does not want in any longer; it may not have waited at all. */
  leave(entrant: Entrant): void;
}
