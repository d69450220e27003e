/** What a tenant has at the moment; each call is cheap enough for every scrape. */
export interface TenantGauges {
  /** Network connections. */
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

/** What the broker has, of all tenants together; connections with or without a CONNECT. */
export interface BrokerGauges extends TenantGauges {
  /** Of the connections, those whose CONNECT has not come whole. */
  handshakes(): number;
  /** CONNECTs that came whole and wait for their turn (`limits.connectRate`). */
  connectsWaiting(): number;
  /** Durable messages are refused for want of space. */
  isDiskFull(): boolean;
  /** OAuth providers whose keys cannot be read. */
  failingProviders(): number;
}
