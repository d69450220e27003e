export * from "./packet.ts";
export * from "./protocol-error.ts";
export * from "./reason-code.ts";
