export * from "./account.ts";
export * from "./alarm.ts";
export * from "./geofence.ts";
export * from "./page-settings.ts";
export * from "./position.ts";
export * from "./sensor.ts";
