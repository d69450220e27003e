/** What the page has to know before anybody has logged in: `GET /api/settings`. */
export interface PageSettings {
  /** Accounts that anyone may try; only in the demonstration. */
  readonly demoAccounts: readonly DemoAccount[];
  /** Where trackers send their positions; `{host}` stands for the page's own host. */
  readonly trackerUrl: string;
  /** A tile server, where the operator has named one. */
  readonly tiles: { readonly url: string; readonly attribution: string } | null;
}

export interface DemoAccount {
  readonly name: string;
  readonly email: string;
  readonly password: string;
}

/** What is known of the roads, drawn below the vehicles: `GET /api/roads`. */
export interface Roads {
  readonly lines: readonly (readonly (readonly [lat: number, lon: number])[])[];
  readonly places: readonly { readonly name: string; readonly lat: number; readonly lon: number }[];
}
