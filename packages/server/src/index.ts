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
export { describeExpected, environmentName, settings, type Setting } from "./config/settings.ts";
