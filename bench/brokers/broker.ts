/** What a user may do, for brokers with access control. */
export interface Grant {
  readonly user: string;
  readonly allow: readonly Allowance[];
}

export interface Allowance {
  readonly actions: readonly ("publish" | "subscribe")[];
  readonly topic: string;
}

/** What a client gives in CONNECT. */
export interface Credential {
  readonly username: string;
  readonly password?: string;
}

export interface RunningBroker {
  readonly port: number;
  /** MQTT over WebSocket at `/mqtt`, where the broker has it. */
  readonly webSocketPort?: number;
  /** Unknown for brokers that somebody else has started: their CPU and memory are not measured. */
  readonly pid?: number;
  /** By the user's name; empty where everybody is anonymous. */
  readonly credentials: ReadonlyMap<string, Credential>;
  /** What there is to say of a broker that has ended by itself, its last words included; undefined while it runs. */
  readonly ending?: () => string | undefined;
  /** Ends it at once and starts it on the same data, where the broker keeps any. Resolves when its ports listen. */
  readonly restart?: () => Promise<void>;
  /** Where its data is, if it keeps any. */
  readonly dataDirectory?: string;
  /** HTTP with the right to read everything, where it has that. */
  readonly admin?: { readonly url: string; readonly token: string };
  stop(): Promise<void>;
}

/** A broker that can be measured. */
export interface BrokerKind {
  readonly name: string;
  readonly hasAccessControl: boolean;
  readonly hasWebSocket: boolean;
  /** How it is run and with which settings, for the report. */
  readonly setup: string;
  /** Starts a fresh one. Without grants everybody may do everything. */
  start(grants: readonly Grant[]): Promise<RunningBroker>;
}
