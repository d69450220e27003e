export * from "./backup.ts";
export * from "./message.ts";
export * from "./page.ts";
export * from "./policy-entry.ts";
export * from "./problem.ts";
export * from "./session.ts";
export * from "./token.ts";
export * from "./weir-client.ts";
