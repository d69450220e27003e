import { describe, expect, it } from "vitest";
import { bytesOf, decoderOf, packetOf, propertiesOf, refusalOf, u16 } from "../testing/wire.ts";
import { ProtocolError, ReasonCode, UnsupportedVersionError } from "./index.ts";
import type { Part, Peer } from "../testing/wire.ts";

const MALFORMED = ReasonCode.malformedPacket;
const VIOLATION = ReasonCode.protocolError;
const CONNECT = 0x10;
const CONNACK = 0x20;
const PUBLISH = 0x30;
const PUBLISH_QOS1 = 0x32;
const PUBACK = 0x40;
const PUBREL = 0x62;
const SUBSCRIBE = 0x82;
const SUBACK = 0x90;
const UNSUBSCRIBE = 0xa2;
const UNSUBACK = 0xb0;
const DISCONNECT = 0xe0;
const AUTH = 0xf0;
const ID = u16(7);
const NO_PROPERTIES = 0;

type Case = readonly [title: string, code: ReasonCode, bytes: Uint8Array];

function refuses(peer: Peer, cases: readonly Case[]): void {
  const named = cases.map(([title, code, bytes]) => ({ title, code, bytes, hex: `0x${code.toString(16)}` }));
  it.each(named)("refuses $title with $hex", ({ code, bytes }) => {
    const decoder = decoderOf(peer);
    const refusal = refusalOf(decoder, bytes);
    expect(refusal).toBeInstanceOf(ProtocolError);
    expect((refusal as ProtocolError).reasonCode).toBe(code);
    expect(() => decoder.next()).toThrow(refusal);
  });
}

const v5: Peer = { version: 5 };
const v4: Peer = { version: 4 };
const server5: Peer = { version: 5, from: "server" };
const server4: Peer = { version: 4, from: "server" };

describe("the fixed header", () => {
  refuses(v5, [
    ["packet type 0", VIOLATION, bytesOf(0x00)],
    ["a CONNACK from a client", VIOLATION, packetOf(CONNACK, 0, 0, NO_PROPERTIES)],
    ["a SUBACK from a client", VIOLATION, packetOf(SUBACK, ID, NO_PROPERTIES, 0)],
    ["an UNSUBACK from a client", VIOLATION, packetOf(UNSUBACK, ID, NO_PROPERTIES, 0)],
    ["a PINGRESP from a client", VIOLATION, bytesOf(0xd0)],
    ["a remaining length of 5 bytes", MALFORMED, bytesOf(PUBLISH, 0x80, 0x80, 0x80, 0x80)],
    ["a remaining length in too long a form [MQTT-1.5.5-1]", MALFORMED, bytesOf(0xc0, 0x80, 0x00)],
    ["a reserved flag in PUBACK [MQTT-2.1.3-1]", MALFORMED, bytesOf(PUBACK | 1)],
    ["a PUBREL with flags 0000 [MQTT-3.6.1-1]", MALFORMED, bytesOf(0x60)],
    ["a PUBREL with flags 1010 [MQTT-3.6.1-1]", MALFORMED, bytesOf(0x6a)],
    ["a SUBSCRIBE with flags 0000 [MQTT-3.8.1-1]", MALFORMED, bytesOf(0x80)],
    ["an UNSUBSCRIBE with flags 0011 [MQTT-3.10.1-1]", MALFORMED, bytesOf(0xa3)],
    ["a PINGREQ with a flag set [MQTT-2.1.3-1]", MALFORMED, bytesOf(0xc8)],
    ["a DISCONNECT with a flag set [MQTT-3.14.1-1]", MALFORMED, bytesOf(0xe1)],
    ["an AUTH with a flag set [MQTT-3.15.1-1]", MALFORMED, bytesOf(0xf2)],
    ["a PINGREQ with a payload", MALFORMED, packetOf(0xc0, 0)],
    ["a packet above the limit once its length is known", 0x95, bytesOf(PUBLISH, 0xff, 0xff, 0xff, 0x7f)],
  ]);
  refuses(server5, [
    ["a CONNECT from a server", VIOLATION, bytesOf(CONNECT)],
    ["a SUBSCRIBE from a server", VIOLATION, bytesOf(SUBSCRIBE)],
    ["an UNSUBSCRIBE from a server", VIOLATION, bytesOf(UNSUBSCRIBE)],
    ["a PINGREQ from a server", VIOLATION, bytesOf(0xc0)],
  ]);
  refuses(v4, [
    ["AUTH in 3.1.1", VIOLATION, bytesOf(AUTH)],
    ["bytes behind a 3.1.1 PUBACK", MALFORMED, packetOf(PUBACK, ID, 0)],
    ["bytes behind a 3.1.1 DISCONNECT", MALFORMED, packetOf(DISCONNECT, 0)],
  ]);

  it("takes a packet of exactly the largest size, and refuses one byte more", () => {
    const packet = packetOf(PUBLISH, "topic", new Uint8Array(11));
    expect(refusalOf(decoderOf({ version: 4, maxPacketBytes: packet.length }), packet)).toBeUndefined();
    expect(refusalOf(decoderOf({ version: 4, maxPacketBytes: packet.length - 1 }), packet)).toBeDefined();
  });

  it("takes a remaining length in a longer form from 3.1.1, which does not forbid it", () => {
    expect(refusalOf(decoderOf(v4), bytesOf(0xc0, 0x80, 0x00))).toBeUndefined();
  });

  it("ignores the header flags that MQTT 3.1 does not use", () => {
    const dup = packetOf(SUBSCRIBE | 8, ID, "a", 0);
    expect(refusalOf(decoderOf({ version: 3 }), dup)).toBeUndefined();
  });
});

describe("the order of packets", () => {
  const connect = packetOf(CONNECT, "MQTT", 4, 2, u16(60), "c");

  refuses({}, [
    ["a first packet that is not CONNECT [MQTT-3.1.0-1]", VIOLATION, bytesOf(PUBLISH)],
    ["a second CONNECT [MQTT-3.1.0-2]", VIOLATION, bytesOf(connect, CONNECT)],
  ]);
});

describe("PUBLISH", () => {
  refuses(v5, [
    ["a DUP flag at QoS 0 [MQTT-3.3.1-2]", MALFORMED, bytesOf(0x38)],
    ["a QoS of 3 [MQTT-3.3.1-4]", MALFORMED, bytesOf(0x36)],
    ["a packet id of 0 [MQTT-2.2.1-3]", VIOLATION, packetOf(PUBLISH_QOS1, "a", u16(0), NO_PROPERTIES)],
    ["a missing packet id", MALFORMED, packetOf(PUBLISH_QOS1, "a")],
    ["missing properties [MQTT-2.2.2-1]", MALFORMED, packetOf(PUBLISH, "a")],
    ["a topic that ends behind the packet", MALFORMED, packetOf(PUBLISH, u16(5), 0x61)],
    ["a topic without its length", MALFORMED, packetOf(PUBLISH, 0)],
    ["a # in the topic [MQTT-3.3.2-2]", MALFORMED, packetOf(PUBLISH, "a/#", NO_PROPERTIES)],
    ["a + in the topic [MQTT-3.3.2-2]", MALFORMED, packetOf(PUBLISH, "a+b", NO_PROPERTIES)],
    ["an empty topic without an alias [MQTT-4.7.3-1]", VIOLATION, packetOf(PUBLISH, "", NO_PROPERTIES)],
    ["a topic alias of 0 [MQTT-3.3.2-8]", 0x94, packetOf(PUBLISH, "a", propertiesOf(0x23, u16(0)))],
    ["a payload format of 2", VIOLATION, packetOf(PUBLISH, "a", propertiesOf(0x01, 2))],
    ["an empty response topic", VIOLATION, packetOf(PUBLISH, "a", propertiesOf(0x08, ""))],
    [
      "a wildcard in the response topic [MQTT-3.3.2-14]",
      VIOLATION,
      packetOf(PUBLISH, "a", propertiesOf(0x08, "a/#")),
    ],
    ["a subscription identifier [MQTT-3.3.4-6]", VIOLATION, packetOf(PUBLISH, "a", propertiesOf(0x0b, 1))],
  ]);
  refuses(v4, [
    ["an empty topic in 3.1.1 [MQTT-4.7.3-1]", MALFORMED, packetOf(PUBLISH, "")],
    ["a DUP flag at QoS 0 in 3.1.1 [MQTT-3.3.1-2]", MALFORMED, bytesOf(0x38)],
  ]);
  refuses(server5, [
    [
      "a subscription identifier of 0 from a server",
      VIOLATION,
      packetOf(PUBLISH, "a", propertiesOf(0x0b, 0)),
    ],
  ]);
});

describe("strings", () => {
  const topicOf = (...text: number[]): Uint8Array => packetOf(PUBLISH, u16(text.length), text, NO_PROPERTIES);

  refuses(v5, [
    ["U+0000 [MQTT-1.5.4-2]", MALFORMED, topicOf(0x61, 0x00)],
    ["U+0001", MALFORMED, topicOf(0x61, 0x01)],
    ["U+001F", MALFORMED, topicOf(0x1f)],
    ["U+007F", MALFORMED, topicOf(0x7f)],
    ["U+0080", MALFORMED, topicOf(0xc2, 0x80)],
    ["U+009F", MALFORMED, topicOf(0xc2, 0x9f)],
    ["U+FDD0", MALFORMED, topicOf(0xef, 0xb7, 0x90)],
    ["U+FFFE", MALFORMED, topicOf(0xef, 0xbf, 0xbe)],
    ["U+FFFF", MALFORMED, topicOf(0xef, 0xbf, 0xbf)],
    ["U+10FFFF", MALFORMED, topicOf(0xf4, 0x8f, 0xbf, 0xbf)],
    ["a surrogate [MQTT-1.5.4-1]", MALFORMED, topicOf(0xed, 0xa0, 0x80)],
    ["a surrogate pair in 6 bytes [MQTT-1.5.4-1]", MALFORMED, topicOf(0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80)],
    ["an over-long / [MQTT-1.5.4-1]", MALFORMED, topicOf(0xc0, 0xaf)],
    ["an over-long form of 3 bytes [MQTT-1.5.4-1]", MALFORMED, topicOf(0xe0, 0x80, 0xaf)],
    ["an over-long form of 4 bytes [MQTT-1.5.4-1]", MALFORMED, topicOf(0xf0, 0x80, 0x80, 0xaf)],
    ["a value above U+10FFFF [MQTT-1.5.4-1]", MALFORMED, topicOf(0xf4, 0x90, 0x80, 0x80)],
    ["a stray continuation byte [MQTT-1.5.4-1]", MALFORMED, topicOf(0x61, 0x80)],
    ["a missing continuation byte [MQTT-1.5.4-1]", MALFORMED, topicOf(0xc3, 0x61)],
    ["a sequence cut by the string's end [MQTT-1.5.4-1]", MALFORMED, topicOf(0x61, 0xe2, 0x82)],
    ["a byte that UTF-8 never has [MQTT-1.5.4-1]", MALFORMED, topicOf(0xff)],
    [
      "a NUL in a user property's name [MQTT-1.5.7-1]",
      MALFORMED,
      packetOf(PUBLISH, "a", propertiesOf(0x26, "\0", "")),
    ],
    ["a NUL in its value [MQTT-1.5.7-1]", MALFORMED, packetOf(PUBLISH, "a", propertiesOf(0x26, "", "\0"))],
    [
      "a surrogate in the content type [MQTT-3.3.2-19]",
      MALFORMED,
      packetOf(PUBLISH, "a", propertiesOf(0x03, u16(3), 0xed, 0xa0, 0x80)),
    ],
  ]);

  refuses(v4, [
    [
      "a sequence that the bytes behind the string would complete [MQTT-1.5.4-1]",
      MALFORMED,
      packetOf(PUBLISH, u16(2), 0x61, 0xe2, 0x82, 0xac),
    ],
  ]);

  it("keeps U+FEFF at the start [MQTT-1.5.4-3]", () => {
    const decoder = decoderOf(v4);
    decoder.push(packetOf(PUBLISH, u16(4), 0xef, 0xbb, 0xbf, 0x61));
    expect(decoder.next()).toMatchObject({ topic: "\ufeffa" });
  });
});

describe("properties", () => {
  const publishWith = (...parts: readonly Part[]): Uint8Array =>
    packetOf(PUBLISH, "a", propertiesOf(...parts));

  refuses(v5, [
    ["an unknown property", MALFORMED, publishWith(0x04, 1)],
    ["property 0", MALFORMED, publishWith(0x00, 1)],
    ["a property identifier of 2 bytes", MALFORMED, publishWith(0x80, 0x01, 1)],
    ["a property of another packet", MALFORMED, publishWith(0x11, 0, 0, 0, 1)],
    ["a property without its value", MALFORMED, publishWith(0x02)],
    ["a property cut by the properties' end", MALFORMED, packetOf(PUBLISH, "a", 3, 0x02, 0, 0, 0, 1)],
    ["properties longer than the packet", MALFORMED, packetOf(PUBLISH, "a", 9, 0x01, 1)],
    ["a property length in too long a form [MQTT-1.5.5-1]", MALFORMED, packetOf(PUBLISH, "a", 0x80, 0x00)],
    ["a property length of 5 bytes", MALFORMED, packetOf(PUBLISH, "a", 0x80, 0x80, 0x80, 0x80, 1)],
    ["a content type that stands twice", VIOLATION, publishWith(0x03, "a", 0x03, "a")],
    ["an alias that stands twice", VIOLATION, publishWith(0x23, u16(1), 0x23, u16(2))],
    [
      "a reason string that stands twice",
      VIOLATION,
      packetOf(PUBACK, ID, 0, propertiesOf(0x1f, "a", 0x1f, "b")),
    ],
  ]);

  it.each([0x23, 0x2b])(
    "takes a response topic of %i bytes, which as a character is a wildcard",
    (length) => {
      const responseTopic = "r".repeat(length);
      const decoder = decoderOf(v5);
      decoder.push(publishWith(0x08, responseTopic));
      expect(decoder.next()).toMatchObject({ properties: { responseTopic } });
    },
  );

  it("takes user properties that repeat, in their order [MQTT-3.3.2-18]", () => {
    const decoder = decoderOf(v5);
    decoder.push(publishWith(0x26, "a", "1", 0x26, "b", "2", 0x26, "a", "3"));
    const userProperties = [
      ["a", "1"],
      ["b", "2"],
      ["a", "3"],
    ];
    expect(decoder.next()).toMatchObject({ properties: { userProperties } });
  });
});

describe("acknowledgements", () => {
  refuses(v5, [
    ["a packet id of 0 in PUBACK", VIOLATION, packetOf(PUBACK, u16(0))],
    ["a PUBACK of 1 byte", MALFORMED, packetOf(PUBACK, 0)],
    ["a reason code that PUBACK does not list [MQTT-3.4.2-1]", VIOLATION, packetOf(PUBACK, ID, 0x92)],
    ["a reason code that PUBREC does not list [MQTT-3.5.2-1]", VIOLATION, packetOf(0x50, ID, 0xff, 0)],
    ["a reason code that PUBREL does not list [MQTT-3.6.2-1]", VIOLATION, packetOf(PUBREL, ID, 0x10)],
    ["a reason code that PUBCOMP does not list [MQTT-3.7.2-1]", VIOLATION, packetOf(0x70, ID, 0x80)],
    ["bytes behind the properties", MALFORMED, packetOf(PUBACK, ID, 0, NO_PROPERTIES, 0)],
  ]);
});

describe("SUBSCRIBE and UNSUBSCRIBE", () => {
  const subscribe = (...fields: readonly Part[]): Uint8Array =>
    packetOf(SUBSCRIBE, ID, NO_PROPERTIES, ...fields);
  const unsubscribe = (...fields: readonly Part[]): Uint8Array =>
    packetOf(UNSUBSCRIBE, ID, NO_PROPERTIES, ...fields);

  refuses(v5, [
    ["a packet id of 0", VIOLATION, packetOf(SUBSCRIBE, u16(0), NO_PROPERTIES, "a", 0)],
    ["no filter in SUBSCRIBE [MQTT-3.8.3-2]", VIOLATION, subscribe()],
    ["no filter in UNSUBSCRIBE [MQTT-3.10.3-2]", VIOLATION, unsubscribe()],
    ["a filter without options", MALFORMED, subscribe("a")],
    ["a second filter without options", MALFORMED, subscribe("a", 0, "b")],
    ["reserved option bit 6 [MQTT-3.8.3-5]", MALFORMED, subscribe("a", 0x40)],
    ["reserved option bit 7 [MQTT-3.8.3-5]", MALFORMED, subscribe("a", 0x80)],
    ["a QoS of 3", VIOLATION, subscribe("a", 0x03)],
    ["a retain handling of 3", VIOLATION, subscribe("a", 0x30)],
    ["No Local with a shared subscription [MQTT-3.8.3-4]", VIOLATION, subscribe("$share/g/a", 0x04)],
    ["a subscription identifier of 0", VIOLATION, packetOf(SUBSCRIBE, ID, propertiesOf(0x0b, 0), "a", 0)],
    [
      "two subscription identifiers",
      VIOLATION,
      packetOf(SUBSCRIBE, ID, propertiesOf(0x0b, 1, 0x0b, 1), "a", 0),
    ],
    [
      "an identifier in too long a form [MQTT-1.5.5-1]",
      MALFORMED,
      packetOf(SUBSCRIBE, ID, propertiesOf(0x0b, 0x80, 0), "a", 0),
    ],
    [
      "a subscription identifier in UNSUBSCRIBE",
      MALFORMED,
      packetOf(UNSUBSCRIBE, ID, propertiesOf(0x0b, 1), "a"),
    ],
    ["an empty filter [MQTT-4.7.3-1]", MALFORMED, subscribe("", 0)],
    ["an empty filter in UNSUBSCRIBE [MQTT-4.7.3-1]", MALFORMED, unsubscribe("a", "")],
    ["# that is not last [MQTT-4.7.1-1]", MALFORMED, subscribe("a/#/b", 0)],
    ["# within a level [MQTT-4.7.1-1]", MALFORMED, subscribe("a/b#", 0)],
    ["+ within a level [MQTT-4.7.1-2]", MALFORMED, subscribe("ab/+e", 0)],
    ["a misplaced wildcard in UNSUBSCRIBE", MALFORMED, unsubscribe("ab/+e")],
    ["an empty share name [MQTT-4.8.2-1]", MALFORMED, subscribe("$share//a", 0)],
    ["a share name with a wildcard [MQTT-4.8.2-2]", MALFORMED, subscribe("$share/+/a", 0)],
    ["a share name without a filter [MQTT-4.8.2-2]", MALFORMED, subscribe("$share/g", 0)],
    ["a share name with an empty filter [MQTT-4.8.2-2]", MALFORMED, subscribe("$share/g/", 0)],
    ["a malformed filter behind a share name", MALFORMED, subscribe("$share/g/a/#/b", 0)],
  ]);
  refuses(v4, [
    ["options that 3.1.1 does not have [MQTT-3.8.3-5]", MALFORMED, packetOf(SUBSCRIBE, ID, "a", 0x04)],
    ["a QoS of 3 in 3.1.1", VIOLATION, packetOf(SUBSCRIBE, ID, "a", 0x03)],
    ["no filter in 3.1.1 [MQTT-3.8.3-2]", VIOLATION, packetOf(SUBSCRIBE, ID)],
  ]);
});

describe("DISCONNECT and AUTH", () => {
  refuses(v5, [
    ["a reason code of servers [MQTT-3.14.2-1]", VIOLATION, packetOf(DISCONNECT, 0x8b)],
    ["an unknown reason code [MQTT-3.14.2-1]", VIOLATION, packetOf(DISCONNECT, 0x01)],
    ["an expiry interval cut short", MALFORMED, packetOf(DISCONNECT, 0, 5, 0x11, 0, 0)],
    ["an AUTH without a reason code", VIOLATION, packetOf(AUTH)],
    ["an AUTH without a method", VIOLATION, packetOf(AUTH, 0x18, NO_PROPERTIES)],
    ["an AUTH with data and no method", VIOLATION, packetOf(AUTH, 0x18, propertiesOf(0x16, "data"))],
    ["an AUTH 0x00 from a client [MQTT-3.15.2-1]", VIOLATION, packetOf(AUTH, 0x00, propertiesOf(0x15, "m"))],
  ]);
  refuses(server5, [
    [
      "an expiry interval from a server [MQTT-3.14.2-2]",
      VIOLATION,
      packetOf(DISCONNECT, 0, propertiesOf(0x11, 0, 0, 0, 1)),
    ],
    ["a client's 0x04 from a server [MQTT-3.14.2-1]", VIOLATION, packetOf(DISCONNECT, 0x04)],
    ["an AUTH 0x19 from a server [MQTT-3.15.2-1]", VIOLATION, packetOf(AUTH, 0x19, propertiesOf(0x15, "m"))],
  ]);
});

describe("what servers say", () => {
  refuses(server5, [
    ["reserved flags in CONNACK [MQTT-3.2.2-1]", MALFORMED, packetOf(CONNACK, 2, 0, NO_PROPERTIES)],
    ["a session in a refusing CONNACK [MQTT-3.2.2-6]", VIOLATION, packetOf(CONNACK, 1, 0x87, NO_PROPERTIES)],
    [
      "a reason code that CONNACK does not list [MQTT-3.2.2-8]",
      VIOLATION,
      packetOf(CONNACK, 0, 0x04, NO_PROPERTIES),
    ],
    ["a receive maximum of 0", VIOLATION, packetOf(CONNACK, 0, 0, propertiesOf(0x21, u16(0)))],
    ["a maximum QoS of 2", VIOLATION, packetOf(CONNACK, 0, 0, propertiesOf(0x24, 2))],
    ["a SUBACK that answers nothing", VIOLATION, packetOf(SUBACK, ID, NO_PROPERTIES)],
    [
      "a reason code that SUBACK does not list [MQTT-3.9.3-2]",
      VIOLATION,
      packetOf(SUBACK, ID, NO_PROPERTIES, 0x03),
    ],
    [
      "a reason code that UNSUBACK does not list [MQTT-3.11.3-2]",
      VIOLATION,
      packetOf(UNSUBACK, ID, NO_PROPERTIES, 0x01),
    ],
  ]);
  refuses(server4, [
    ["an unknown return code in a 3.1.1 CONNACK", VIOLATION, packetOf(CONNACK, 0, 6)],
    ["a 5.0 reason code in a 3.1.1 SUBACK", VIOLATION, packetOf(SUBACK, ID, 0x87)],
    ["reason codes in a 3.1.1 UNSUBACK", MALFORMED, packetOf(UNSUBACK, ID, 0)],
  ]);
});

describe("CONNECT", () => {
  const connect = (level: number, flags: number, ...fields: readonly Part[]): Uint8Array =>
    packetOf(CONNECT, level === 3 ? "MQIsdp" : "MQTT", level, flags, u16(60), ...fields);
  const connect5 = (flags: number, ...fields: readonly Part[]): Uint8Array =>
    connect(5, flags, NO_PROPERTIES, ...fields);
  const propertied = (...parts: readonly Part[]): Uint8Array => connect(5, 2, propertiesOf(...parts), "c");
  const willed = (...parts: readonly Part[]): Uint8Array =>
    connect5(0x06, "c", propertiesOf(...parts), "will", "payload");

  refuses({}, [
    ["a header flag", MALFORMED, packetOf(CONNECT | 1, "MQTT", 4, 2, u16(60), "c")],
    ["the reserved connect flag [MQTT-3.1.2-3]", MALFORMED, connect5(0x01, "c")],
    ["a will QoS without a will [MQTT-3.1.2-11]", MALFORMED, connect5(0x0a, "c")],
    ["a will retain without a will [MQTT-3.1.2-13]", MALFORMED, connect5(0x22, "c")],
    ["a will QoS of 3 [MQTT-3.1.2-12]", MALFORMED, connect5(0x1e, "c", NO_PROPERTIES, "w", "p")],
    ["a missing client id [MQTT-3.1.3-3]", MALFORMED, connect5(0x02)],
    ["a client id that is not UTF-8 [MQTT-3.1.3-4]", MALFORMED, connect5(0x02, u16(1), 0xff)],
    ["a missing will [MQTT-3.1.2-9]", MALFORMED, connect5(0x06, "c")],
    ["a missing will payload [MQTT-3.1.2-9]", MALFORMED, connect5(0x06, "c", NO_PROPERTIES, "w")],
    [
      "a will topic that is not UTF-8 [MQTT-3.1.3-11]",
      MALFORMED,
      connect5(0x06, "c", NO_PROPERTIES, u16(1), 0xff, "p"),
    ],
    [
      "a will topic with a wildcard [MQTT-4.7.0-1]",
      MALFORMED,
      connect5(0x06, "c", NO_PROPERTIES, "a/#", "p"),
    ],
    ["an empty will topic [MQTT-4.7.3-1]", MALFORMED, connect5(0x06, "c", NO_PROPERTIES, "", "p")],
    ["a missing user name [MQTT-3.1.2-17]", MALFORMED, connect5(0x82, "c")],
    ["a user name that is not UTF-8 [MQTT-3.1.3-12]", MALFORMED, connect5(0x82, "c", u16(1), 0xff)],
    ["a user name without its flag [MQTT-3.1.2-16]", MALFORMED, connect5(0x02, "c", "user")],
    ["a missing password [MQTT-3.1.2-19]", MALFORMED, connect5(0xc2, "c", "user")],
    ["a password without its flag [MQTT-3.1.2-18]", MALFORMED, connect5(0x82, "c", "user", "secret")],
    ["a password without a user name in 3.1.1", MALFORMED, connect(4, 0x42, "c", "secret")],
    ["a password without a user name in 3.1", MALFORMED, connect(3, 0x42, "c", "secret")],
    ["a receive maximum of 0", VIOLATION, propertied(0x21, u16(0))],
    ["a maximum packet size of 0", VIOLATION, propertied(0x27, 0, 0, 0, 0)],
    ["a request problem information of 2", VIOLATION, propertied(0x17, 2)],
    ["a request response information of 2", VIOLATION, propertied(0x19, 2)],
    ["authentication data without a method", VIOLATION, propertied(0x16, "data")],
    ["two authentication methods", VIOLATION, propertied(0x15, "m", 0x15, "m")],
    ["a will delay among its own properties", MALFORMED, propertied(0x18, 0, 0, 0, 1)],
    ["a session expiry interval among the will's", MALFORMED, willed(0x11, 0, 0, 0, 1)],
    ["a topic alias among the will's", MALFORMED, willed(0x23, u16(1))],
    ["a will delay that stands twice", VIOLATION, willed(0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1)],
    ["a wildcard in the will's response topic", VIOLATION, willed(0x08, "+")],
    [
      "the remaining length in too long a form [MQTT-1.5.5-1]",
      MALFORMED,
      bytesOf(CONNECT, 0x8e, 0x00, "MQTT", 5, 2, u16(60), 0, "c"),
    ],
  ]);

  it.each([
    ["MQTT of level 3", "MQTT", 3, 4],
    ["MQTT of level 6", "MQTT", 6, 5],
    ["MQTT of level 2", "MQTT", 2, 5],
    ["MQTT of level 0x84, a bridge of mosquitto", "MQTT", 0x84, 4],
    ["MQIsdp of level 4", "MQIsdp", 4, 4],
    ["MQIsdp of level 6", "MQIsdp", 6, 5],
    ["another protocol", "MQTU", 4, undefined],
    ["a nameless protocol", "", 4, undefined],
  ])("refuses %s with 0x84 and says how to answer [MQTT-3.1.2-2]", (_, name, level, answerVersion) => {
    const refusal = refusalOf(decoderOf({}), packetOf(CONNECT, name, level, 2, u16(60), "c"));
    expect(refusal).toBeInstanceOf(UnsupportedVersionError);
    expect(refusal).toMatchObject({
      reasonCode: 0x84,
      level,
      answerVersion,
      isSilent: answerVersion === undefined,
    });
  });

  it("is silent where the header is broken or the credentials are malformed, and not elsewhere", () => {
    const isSilent = (bytes: Uint8Array): unknown =>
      (refusalOf(decoderOf({}), bytes) as ProtocolError).isSilent;
    expect(isSilent(connect5(0x01, "c"))).toBe(true);
    expect(isSilent(packetOf(CONNECT, "MQTT", 5, 2))).toBe(true);
    expect(isSilent(connect5(0x82, "c", u16(1), 0xff))).toBe(true);
    expect(isSilent(connect5(0xc2, "c", "user"))).toBe(true);
    expect(isSilent(connect5(0x02, u16(1), 0xff))).toBe(false);
    expect(isSilent(propertied(0x21, u16(0)))).toBe(false);
  });

  it("is silent to a first packet that is no CONNECT, and to one whose remaining length is broken [MQTT-3.1.0-1]", () => {
    const length5 = bytesOf(CONNECT, 0x80, 0x80, 0x80, 0x80, 0x01);
    for (const bytes of [bytesOf(0xc0, 0), bytesOf(0x00, 0), bytesOf(0x20, 2, 0, 0), length5]) {
      expect(refusalOf(decoderOf({}), bytes)).toMatchObject({ isSilent: true });
    }
  });

  it.each([["bytes behind its last field", "p", 0], ["no client id"], ["a client id with U+0000", "\0"]])(
    "is silent to a CONNECT of 3.1.1 with %s: there is no return code for it [MQTT-3.1.4-1]",
    (_, ...rest) => {
      const refusal = refusalOf(decoderOf({}), packetOf(CONNECT, "MQTT", 4, 2, u16(60), ...rest));
      expect(refusal).toMatchObject({ reasonCode: MALFORMED, isSilent: true });
    },
  );

  it("names the version of the refused CONNECT", () => {
    const decoder = decoderOf({});
    refusalOf(decoder, propertied(0x21, u16(0)));
    expect(decoder.protocolVersion).toBe(5);
  });

  it("takes a password without a user name in MQTT 5", () => {
    expect(refusalOf(decoderOf({}), connect5(0x42, "c", "secret"))).toBeUndefined();
  });

  it("takes what MQTT 3.1 allows: reserved bits, and flags whose fields are missing", () => {
    expect(refusalOf(decoderOf({}), packetOf(CONNECT | 4, "MQIsdp", 3, 0x01, u16(60), "c"))).toBeUndefined();
    expect(refusalOf(decoderOf({}), connect(3, 0xc2, "c"))).toBeUndefined();
    expect(refusalOf(decoderOf({}), connect(3, 0xc2, "c", "user"))).toBeUndefined();
  });

  it("says nothing of credentials in its messages", () => {
    const refusal = refusalOf(decoderOf({}), connect5(0xc2, "c", "user", "secret", 0)) as ProtocolError;
    expect(refusal.message).not.toMatch(/user|secret/);
  });
});
