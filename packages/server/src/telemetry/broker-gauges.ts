/** What the broker has at the moment; each call is cheap enough for every scrape. */
export interface BrokerGauges {
  /** Connected clients. */
  connections(): number;
  /** Sessions, connected or not. */
  sessions(): number;
  subscriptions(): number;
  retained(): number;
  /** Messages that wait for sessions. */
  queued(): number;
  /** Held by the message log. */
  logBytes(): number;
}
