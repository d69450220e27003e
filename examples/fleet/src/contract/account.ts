import Type, { type Static } from "typebox";

const closed = { additionalProperties: false } as const;

export const Registration = Type.Object(
  {
    email: Type.String({ minLength: 3, maxLength: 254, pattern: "^[^\\s@]+@[^\\s@]+$" }),
    name: Type.String({ minLength: 1, maxLength: 80 }),
    password: Type.String({ minLength: 10, maxLength: 256 }),
  },
  closed,
);
export type Registration = Static<typeof Registration>;

export const Login = Type.Object(
  { email: Type.String({ maxLength: 254 }), password: Type.String({ maxLength: 256 }) },
  closed,
);
export type Login = Static<typeof Login>;

export interface User {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/** What a page needs to connect to the broker as its user. */
export interface MqttAccess {
  /** `ws://` or `wss://`, with the path. */
  readonly url: string;
  /** The key of the user's access token: the only credential. It ends with the login. */
  readonly token: string;
}

/** The answer of a login, of a registration, and of `POST /api/session/token`. */
export interface LoggedIn {
  readonly user: User;
  readonly mqtt: MqttAccess;
}

/** The answer of `GET /api/session`. The key of the access token is told when it is made, and not again. */
export interface CurrentSession {
  /** Null: nobody is logged in. */
  readonly user: User | null;
  readonly mqtt: { readonly url: string };
}
