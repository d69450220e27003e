/** What the codes of MQTT 5 mean, in mosquitto's words. */
const WORDS: Readonly<Record<number, string>> = {
  0x10: "No matching subscribers",
  0x11: "No subscription existed",
  0x80: "Unspecified error",
  0x81: "Malformed packet",
  0x82: "Protocol error",
  0x83: "Implementation specific error",
  0x84: "Unsupported protocol version",
  0x85: "Client identifier not valid",
  0x86: "Bad user name or password",
  0x87: "Not authorized",
  0x88: "Server unavailable",
  0x89: "Server busy",
  0x8a: "Banned",
  0x8b: "Server shutting down",
  0x8c: "Bad authentication method",
  0x8d: "Keep alive timeout",
  0x8e: "Session taken over",
  0x8f: "Topic filter invalid",
  0x90: "Topic name invalid",
  0x93: "Receive maximum exceeded",
  0x95: "Packet too large",
  0x96: "Message rate too high",
  0x97: "Quota exceeded",
  0x98: "Administrative action",
  0x99: "Payload format invalid",
  0x9c: "Use another server",
  0x9d: "Server moved",
  0x9e: "Shared subscriptions not supported",
  0x9f: "Connection rate exceeded",
  0xa0: "Maximum connect time",
};

const OLD_WORDS: Readonly<Record<number, string>> = {
  1: "unacceptable protocol version",
  2: "identifier rejected",
  3: "broker unavailable",
  4: "bad user name or password",
  5: "not authorised",
};

/** What to do about it, where that can be said. */
const REMEDIES: Readonly<Record<number, string>> = {
  4: "Is the access token right, and still there? (-u TOKEN, or WEIR_TOKEN)",
  5: "Give an access token: -u TOKEN, or WEIR_TOKEN.",
  0x86: "Is the access token right, and still there? (-u TOKEN, or WEIR_TOKEN)",
  0x87: "Give an access token: -u TOKEN, or WEIR_TOKEN.",
  0x84: "Try another version: -V mqttv311.",
};

/** A reason code of MQTT 5, for people: "Not authorized (0x87)". */
export function reasonText(code: number): string {
  return `${WORDS[code] ?? "Reason"} (0x${code.toString(16).padStart(2, "0").toUpperCase()})`;
}

/** Why CONNECT was refused, with what to do. Codes below 0x80 are those of MQTT 3. */
export function connectRefusalText(code: number): string {
  const words =
    code < 0x80 ? `Connection Refused: ${OLD_WORDS[code] ?? `code ${code}`}.` : `${reasonText(code)}.`;
  const remedy = REMEDIES[code];
  return remedy ? `${words} ${remedy}` : words;
}
