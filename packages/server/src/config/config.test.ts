import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ConfigError } from "./config.ts";
import { closestName } from "./closest-name.ts";
import { loadConfig, type ConfigSources } from "./load-config.ts";
import { environmentName, settings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function yamlFile(content: string): string {
  const path = join(folder, `${++files}.yaml`);
  writeFileSync(path, content);
  return path;
}

function problemsOf(sources: ConfigSources): readonly string[] {
  try {
    loadConfig(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("defaults", () => {
  test("listen on loopback, 1883 and 8080, with nobody anonymous", () => {
    const config = loadConfig();
    expect(config.mqtt).toMatchObject({
      host: "127.0.0.1",
      port: 1883,
      maxPacketBytes: 1_048_576,
      receiveMaximum: 1_024,
    });
    expect(config.http).toMatchObject({ host: "127.0.0.1", port: 8080 });
    expect(config.mqtt.tls).toBeUndefined();
    expect(config).toMatchObject({
      data: "./weir-data",
      engine: "embedded",
      anonymous: { allow: "nobody" },
      log: { level: "info" },
    });
  });
});

describe("order", () => {
  test("flags beat the environment, the environment beats the file", () => {
    const file = yamlFile("mqtt:\n  port: 1\n  host: file\n  receiveMaximum: 3\n");
    const environment = { WEIR_MQTT_PORT: "2", WEIR_MQTT_HOST: "environment" };
    const config = loadConfig({
      file,
      environment,
      flags: [{ path: "mqtt.port", flag: "--mqtt-port", value: "4" }],
    });
    expect(config.mqtt).toMatchObject({ port: 4, host: "environment", receiveMaximum: 3 });
  });

  test("an empty variable counts as not set", () => {
    expect(loadConfig({ environment: { WEIR_MQTT_PORT: "" } }).mqtt.port).toBe(1883);
  });

  test("lists come as commas or as JSON", () => {
    const config = loadConfig({
      environment: {
        WEIR_HTTP_TRUSTED_PROXIES: "10.0.0.7, 10.1.0.0/16",
        WEIR_ANONYMOUS_ACL: '[{"actions":["subscribe"],"topic":"public/#"}]',
      },
    });
    expect(config.http.trustedProxies).toEqual(["10.0.0.7", "10.1.0.0/16"]);
    expect(config.anonymous.acl).toEqual([{ actions: ["subscribe"], topic: "public/#" }]);
  });

  test("variables of the command line and service links of Kubernetes are no keys", () => {
    const environment = {
      WEIR_URL: "http://127.0.0.1:8080",
      WEIR_TOKEN: "secret",
      WEIR_ADMIN_TOKEN: "secret",
      WEIR_SERVICE_HOST: "10.0.0.1",
      WEIR_PORT_1883_TCP_ADDR: "10.0.0.1",
    };
    expect(problemsOf({ environment })).toEqual([]);
  });
});

describe("names of variables", () => {
  test.each([
    ["mqtt.maxPacketBytes", "WEIR_MQTT_MAX_PACKET_BYTES"],
    ["mqtt.maxKeepAliveS", "WEIR_MQTT_MAX_KEEP_ALIVE_S"],
    ["mqtt.tls.clientCa", "WEIR_MQTT_TLS_CLIENT_CA"],
    ["data", "WEIR_DATA"],
  ])("%s is %s", (path, name) => expect(environmentName(path)).toBe(name));

  test("no two keys share one", () => {
    expect(new Set(settings.map(({ path }) => environmentName(path))).size).toBe(settings.length);
  });
});

describe("what is wrong is said with key, value and remedy", () => {
  test.each<[string, ConfigSources, RegExp[]]>([
    [
      "a port that is none",
      { environment: { WEIR_MQTT_PORT: "99999" } },
      [
        /^mqtt\.port is 99999 \(WEIR_MQTT_PORT\); it must be a whole number from 0 to 65535; the default is 1883\.$/,
      ],
    ],
    [
      "a word for a number",
      { environment: { WEIR_MQTT_PORT: "many" } },
      [/^mqtt\.port is "many" \(WEIR_MQTT_PORT\); it must be a whole number/],
    ],
    [
      "a service link of Kubernetes",
      { environment: { WEIR_MQTT_PORT: "tcp://10.0.0.1:1883" } },
      [/enableServiceLinks: false/],
    ],
    [
      "an unknown variable",
      { environment: { WEIR_MQTT_PROT: "1" } },
      [/WEIR_MQTT_PROT names no key.*Did you mean WEIR_MQTT_PORT\?/],
    ],
    [
      "an unknown level",
      { environment: { WEIR_LOG_LEVEL: "loud" } },
      [/log\.level is "loud".*one of debug, info, warn, error, silent/],
    ],
    [
      "an engine that is not there",
      { environment: { WEIR_ENGINE: "nats" } },
      [/engine is "nats" \(WEIR_ENGINE\).*not there yet.*"memory"/],
    ],
    [
      "a flag out of range",
      { flags: [{ path: "http.port", flag: "--http-port", value: "-1" }] },
      [/http\.port is -1 \(--http-port\)/],
    ],
    [
      "a file that is not there",
      { file: "/nowhere/weir.yaml" },
      [/\/nowhere\/weir\.yaml cannot be read \(ENOENT\)/],
    ],
    [
      "one port for two",
      { environment: { WEIR_HTTP_PORT: "1883" } },
      [/http\.port is 1883 \(WEIR_HTTP_PORT\), which mqtt\.port has too/],
    ],
    [
      "a certificate without its key",
      { environment: { WEIR_MQTT_TLS_CERT: "/a.pem" } },
      [/mqtt\.tls\.cert is given without mqtt\.tls\.key/],
    ],
    [
      "a certificate that is not there",
      { environment: { WEIR_HTTP_TLS_CERT: "/no/a.pem", WEIR_HTTP_TLS_KEY: "/no/b.pem" } },
      [/http\.tls\.cert is "\/no\/a\.pem" .*ENOENT.*PEM/, /http\.tls\.key/],
    ],
    [
      "an origin that is none",
      { environment: { WEIR_HTTP_CORS: "https://a.example,https://b.example/app" } },
      [/http\.cors holds "https:\/\/b\.example\/app" \(WEIR_HTTP_CORS\).*without a path/],
    ],
    [
      "a proxy that is no address",
      { environment: { WEIR_MQTT_PROXY_PROTOCOL: "10.0.0.0/8,proxy.local" } },
      [/mqtt\.proxyProtocol holds "proxy\.local" \(WEIR_MQTT_PROXY_PROTOCOL\)/],
    ],
    [
      "a switch that is none",
      { environment: { WEIR_LIMITS_TELLS_NO_MATCHING_SUBSCRIBERS: "yes" } },
      [/must be true or false; the default is false/],
    ],
    [
      "an ACL that is none",
      { environment: { WEIR_ANONYMOUS_ACL: '[{"topic":"a/#"}]' } },
      [/anonymous\.acl\[0\]\.actions: must be a list.*WEIR_ANONYMOUS_ACL/],
    ],
    [
      "an ACL that relies on what an anonymous client says of itself",
      { environment: { WEIR_ANONYMOUS_ACL: '[{"actions":["subscribe"],"topic":"a/${clientId}"}]' } },
      [/anonymous\.acl\[0\]\.topic holds \$\{clientId\}, which an anonymous client chooses itself/],
    ],
  ])("%s", (_title, sources, expected) => {
    const problems = problemsOf(sources);
    expect(problems).toHaveLength(expected.length);
    for (const [i, pattern] of expected.entries()) expect(problems[i]).toMatch(pattern);
  });

  test.each([
    ["a misspelt key", "mqtt:\n  prot: 1883\n", /mqtt\.prot in .* is not a key.*Did you mean mqtt\.port\?/],
    ["a key of another section", "limits:\n  receiveMaximum: 1\n", /Did you mean mqtt\.receiveMaximum\?/],
    ["an unknown section", "amqp:\n  port: 1\n", /^amqp in .* is not a key.*Known here: mqtt, http, data/],
    [
      "a section that is a value",
      "mqtt: 1883\n",
      /mqtt in .* must be a section with keys of its own: host, port, tls/,
    ],
    ["an empty value", "data:\n", /data is empty .*must be a text; the default is ".\/weir-data"/],
    ["a history without a name", "histories:\n  - filter: a/#\n", /histories\[0\]\.name: must be 1 to 128/],
    ["a history", "histories:\n  - {name: h, filter: a/#/b}\n", /histories\[0\]\.filter: must be a topic/],
    ["a document that is no YAML", "mqtt: [1\n", /is not valid YAML: .*line 2/s],
  ])("%s in the file", (_title, content, expected) => {
    const problems = problemsOf({ file: yamlFile(content) });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
  });

  test("everything at once, so that one start shows all", () => {
    const file = yamlFile("mqtt:\n  port: x\nhttp:\n  port: y\n");
    expect(problemsOf({ file, environment: { WEIR_DATAA: "z" } })).toHaveLength(3);
  });

  test("an empty section and an empty file change nothing", () => {
    expect(problemsOf({ file: yamlFile("mqtt:\n") })).toEqual([]);
    expect(problemsOf({ file: yamlFile("") })).toEqual([]);
  });
});

test("closestName() is silent where nothing is near", () => {
  expect(closestName("zebra", ["mqtt.port", "http.port"])).toBeUndefined();
});

test("docs/guide/configuration.md has every key with its default", () => {
  const guide = readFileSync(new URL("../../../../docs/guide/configuration.md", import.meta.url), "utf8");
  const rows = guide.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  for (const { path, fallback } of settings) {
    const row = rows.find((cells) => cells[1] === `\`${path}\``);
    expect(row?.[2], path).toBe(fallback === undefined ? "" : `\`${JSON.stringify(fallback)}\``);
  }
});
