import { Command } from "commander";
import type { IPublishPacket } from "mqtt";
import { describe, expect, test } from "vitest";
import { WrongUse } from "../command-failure.ts";
import { parseBrokerUrl } from "./broker-url.ts";
import { addClientOptions, resolveTarget, type ClientFlags } from "./client-options.ts";
import { compileFormat } from "./message-format.ts";
import { extractProperties } from "./property-options.ts";
import { connectRefusalText } from "./reason-text.ts";
import { topicMatches } from "./topic-matches.ts";

const receivedAt = new Date("2026-01-26T15:57:02.500Z");

function message(fields: Partial<IPublishPacket> = {}): IPublishPacket {
  return {
    cmd: "publish",
    topic: "data/alice/4720",
    payload: Buffer.from("hi"),
    qos: 1,
    retain: true,
    dup: false,
    messageId: 7,
    ...fields,
  };
}

const printed = (format: string, fields?: Partial<IPublishPacket>): string =>
  compileFormat(format)(message(fields), receivedAt).toString();

describe("-F", () => {
  test.each([
    ["%t %p", "data/alice/4720 hi"],
    ["%q%r%d %m %l", "110 7 2"],
    ["%x %X", "6869 6869"],
    ["%I|%U", "2026-01-26T15:57:02.500Z|1769443022.500"],
    ["%5p|%-5p|%05l", "   hi|hi   |00002"],
    ["100%%\\t\\n\\\\", "100%\t\n\\"],
    ["%P%C%R%E%S", ""],
  ])("%s prints %j", (format, expected) => expect(printed(format)).toBe(expected));

  test("%j holds the payload as a text, %J as JSON where it is JSON", () => {
    const payload = Buffer.from('{"lat":1}');
    expect(JSON.parse(printed("%j", { payload }))).toEqual({
      tst: receivedAt.toISOString(),
      topic: "data/alice/4720",
      qos: 1,
      retain: 1,
      payloadlen: 9,
      mid: 7,
      payload: '{"lat":1}',
    });
    expect(JSON.parse(printed("%J", { payload }))).toMatchObject({ payload: { lat: 1 } });
    expect(JSON.parse(printed("%J"))).toMatchObject({ payload: "hi" });
  });

  test("a payload that is no text passes %p unchanged, and JSON as base64", () => {
    const payload = Buffer.from([0xff, 0x00]);
    expect(compileFormat("%p")(message({ payload }), receivedAt)).toEqual(payload);
    expect(JSON.parse(printed("%j", { payload }))).toMatchObject({ payloadBase64: "/wA=" });
  });

  test("properties", () => {
    const properties = {
      contentType: "a/b",
      responseTopic: "r",
      correlationData: Buffer.from("c"),
      userProperties: { k: ["1", "2"] },
    };
    expect(printed("%C %R %D %P", { properties })).toBe("a/b r c k:1 k:2");
    expect(JSON.parse(printed("%j", { properties }))).toMatchObject({
      properties: {
        "content-type": "a/b",
        "correlation-data": "Yw==",
        "user-properties": [{ k: "1" }, { k: "2" }],
      },
    });
  });

  test.each(["%z", "%", "a\\q"])("%s is wrong use", (format) =>
    expect(() => compileFormat(format)).toThrow(WrongUse),
  );
});

describe("-D", () => {
  test("groups are taken out wherever they stand; a user property has two values", () => {
    const argv = [
      "-t",
      "a",
      "-D",
      "publish",
      "user-property",
      "k",
      "v",
      "-m",
      "-x",
      "--property",
      "publish",
      "message-expiry-interval",
      "9",
    ];
    const { rest, properties } = extractProperties(argv);
    expect(rest).toEqual(["-t", "a", "-m", "-x"]);
    expect(properties).toEqual({ publish: { userProperties: { k: "v" }, messageExpiryInterval: 9 } });
  });

  test("a user property given twice has both values", () => {
    const { properties } = extractProperties(
      "-D connect user-property k 1 -D connect user-property k 2".split(" "),
    );
    expect(properties.connect).toEqual({ userProperties: { k: ["1", "2"] } });
  });

  test.each([
    ["-D letter content-type x", /names no packet/],
    [
      "-D publish session-expiry-interval 1",
      /no property "session-expiry-interval"; possible are payload-format-indicator/,
    ],
    ["-D publish message-expiry-interval soon", /must be a whole number/],
    ["-D publish user-property k", /needs a name and a value/],
  ])("%s is wrong use", (argv, pattern) => expect(() => extractProperties(argv.split(" "))).toThrow(pattern));
});

describe("-L and WEIR_URL", () => {
  test.each([
    [
      "mqtt://host/data/#",
      { url: "mqtt://host:1883", topic: "data/#", username: undefined, password: undefined },
    ],
    [
      "mqtts://al%40ice:se:cret@host/a",
      { url: "mqtts://host:8883", topic: "a", username: "al@ice", password: "se:cret" },
    ],
    ["ws://host:8080", { url: "ws://host:8080/mqtt", topic: undefined }],
    ["wss://host/other", { url: "wss://host:443/other", topic: undefined }],
    ["http://127.0.0.1:8080", { url: "ws://127.0.0.1:8080/mqtt" }],
    ["mqtt://[::1]:1884", { url: "mqtt://[::1]:1884" }],
  ])("%s", (url, expected) => expect(parseBrokerUrl(url, "-L")).toMatchObject(expected));

  test("what is no URL of a broker is told without its password", () => {
    expect(() => parseBrokerUrl("amqp://user:secret@host", "-L")).toThrow(
      "amqp://…@host is not the URL of a broker",
    );
  });
});

function targetOf(argv: string, environment: Record<string, string> = {}) {
  const { rest, properties } = extractProperties(argv.split(" ").filter(Boolean));
  const command = addClientOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  return resolveTarget(
    command.parse(rest, { from: "user" }).opts<ClientFlags>(),
    properties,
    environment,
    "sub",
  );
}

describe("where and as whom", () => {
  test.each([
    ["", {}, "mqtt://127.0.0.1:1883"],
    ["-h broker", {}, "mqtt://broker:1883"],
    ["-h ::1", {}, "mqtt://[::1]:1883"],
    ["-h broker -p 8883", {}, "mqtts://broker:8883"],
    ["--ws", {}, "ws://127.0.0.1:8080/mqtt"],
    ["-h ws://broker:9/mqtt", {}, "ws://broker:9/mqtt"],
    ["", { WEIR_URL: "http://broker:8080" }, "ws://broker:8080/mqtt"],
    ["-p 1884", { WEIR_URL: "http://broker:8080" }, "mqtt://127.0.0.1:1884"],
  ])("%j with %j is %s", (argv, environment, url) => expect(targetOf(argv, environment).url).toBe(url));

  test("the token comes from -u, from -P, from the URL, or from WEIR_TOKEN, in this order", () => {
    const environment = { WEIR_TOKEN: "fourth" };
    expect(targetOf("-u first", environment).options).toMatchObject({ username: "first" });
    expect(targetOf("-P second", environment).options).toMatchObject({ password: "second" });
    expect(targetOf("-L mqtt://third@host", environment).options).toMatchObject({ username: "third" });
    expect(targetOf("", environment).options).toMatchObject({ username: "fourth" });
  });

  test("a password alone gets a user name before MQTT 5", () => {
    expect(targetOf("-P x -V mqttv311").options).toMatchObject({
      username: "weir",
      password: "x",
      protocolVersion: 4,
    });
  });

  test("-c keeps the session for ever, -x for as long as it says", () => {
    expect(targetOf("-c -i me").options).toMatchObject({
      clean: false,
      properties: { sessionExpiryInterval: 4_294_967_295 },
    });
    expect(targetOf("-c -i me -x 60").options).toMatchObject({ properties: { sessionExpiryInterval: 60 } });
    expect(targetOf("-c -i me -V 31").options).toMatchObject({
      clean: false,
      protocolId: "MQIsdp",
      protocolVersion: 3,
    });
  });

  test("a will has its properties", () => {
    const { options } = targetOf(
      "--will-topic gone --will-payload bye --will-qos 1 --will-retain -D will will-delay-interval 5",
    );
    expect(options.will).toEqual({
      topic: "gone",
      payload: Buffer.from("bye"),
      qos: 1,
      retain: true,
      properties: { willDelayInterval: 5 },
    });
  });

  test.each([
    ["-c", /client id/],
    ["-p 0", /not a whole number from 1 to 65535/],
    ["-V mqttv4", /version must be/],
    ["--will-payload x", /needs its topic/],
    ["-V 311 -D connect user-property k v", /-D needs MQTT 5/],
    ["--cafile /no/ca.pem", /--cafile \/no\/ca\.pem cannot be read: ENOENT/],
  ])("%s is wrong use", (argv, pattern) => expect(() => targetOf(argv)).toThrow(pattern));
});

test("refusals of CONNECT are told in mosquitto's words, with the remedy", () => {
  expect(connectRefusalText(5)).toBe(
    "Connection Refused: not authorised. Give an access token: -u TOKEN, or WEIR_TOKEN.",
  );
  expect(connectRefusalText(0x86)).toMatch(/^Bad user name or password \(0x86\)\. Is the access token right/);
});

test.each([
  ["a/#", "a", true],
  ["#", "$SYS/x", false],
  ["+/b", "a/b", true],
  ["a/+", "a", false],
  ["a", "a/b", false],
])("-T %s, topic %s: %s", (filter, topic, expected) => expect(topicMatches(filter, topic)).toBe(expected));
