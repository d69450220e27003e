export {
  createBroker,
  type Broker,
  type BrokerAdapters,
  type BrokerAddresses,
  type ListenAddress,
  type StartedBroker,
} from "./broker.ts";
export { ConfigError, type Config, type LogLevel } from "./config/config.ts";
export { loadConfig, type ConfigFlag, type ConfigSources } from "./config/load-config.ts";
export { type Logger } from "./core/ports/telemetry.ts";
export { holderOf } from "./engine/embedded/directory-lock.ts";
export {
  checkStore,
  moveBackup,
  type Progress,
  restoreStore,
  statStore,
  type StoreCheck,
  type StoreStats,
} from "./engine/embedded/store-tools.ts";
export { StoreError } from "./engine/embedded/store-error.ts";
export { type DamagedStretch, type SegmentCheck } from "./engine/embedded/segment-check.ts";
export { backupOffline } from "./offline-backup.ts";
export { describeExpected, environmentName, settings, type Setting } from "./config/settings.ts";
