/** What the broker has at the moment; each call is cheap enough for every scrape. */
export interface BrokerGauges {
  /** Network connections, with or without a CONNECT. */
  connections(): number;
  /** Of these, those whose CONNECT has not come whole. */
  handshakes(): number;
  /** CONNECTs that came whole and wait for their turn (`limits.connectRate`). */
  connectsWaiting(): number;
  /** Sessions, connected or not. */
  sessions(): number;
  subscriptions(): number;
  retained(): number;
  /** Messages that wait for sessions. */
  queued(): number;
  /** Held by the message log. */
  logBytes(): number;
  /** Durable messages are refused for want of space. */
  isDiskFull(): boolean;
  /** OAuth providers whose keys cannot be read now; those that were read serve for a while. */
  failingProviders(): number;
}
