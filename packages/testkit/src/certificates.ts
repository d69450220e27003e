import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** A certificate and its private key, both in PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface TestCertificates {
  /** Signed the other two. */
  readonly ca: TestCertificate;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly server: TestCertificate;
  readonly client: TestCertificate;
}

interface Subject {
  readonly commonName: string;
  readonly extensions: Buffer;
}

interface Issuer {
  readonly commonName: string;
  readonly key: KeyObject;
}

const HOUR_MS = 3_600_000;

/**
 * Makes a CA and what it signs: P-256, valid for a day. Node can read certificates but not issue them, and the few
 * structures of X.509 that TLS asks for are short.
 */
export function makeCertificates(
  options: { readonly clientName?: string; readonly caName?: string } = {},
): TestCertificates {
  const caName = options.caName ?? "Weir test CA";
  const caKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer: Issuer = { commonName: caName, key: caKeys.privateKey };
  return {
    ca: issue({ commonName: caName, extensions: caExtensions }, issuer, caKeys),
    server: issue({ commonName: "localhost", extensions: serverExtensions }, issuer),
    client: issue({ commonName: options.clientName ?? "device-1", extensions: clientExtensions }, issuer),
  };
}

function issue(
  subject: Subject,
  issuer: Issuer,
  keys: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync("ec", { namedCurve: "P-256" }),
): TestCertificate {
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name(issuer.commonName),
    sequence(utcTime(Date.now() - HOUR_MS), utcTime(Date.now() + 24 * HOUR_MS)),
    name(subject.commonName),
    keys.publicKey.export({ type: "spki", format: "der" }),
    explicit(3, subject.extensions),
  );
  const signature = sign("sha256", body, issuer.key);
  const certificate = sequence(body, ecdsaWithSha256, bitString(signature));
  return { cert: pem(certificate), key: keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

function pem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

// ── DER

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  return Buffer.concat([Buffer.from([tag, 0x82, body.length >> 8, body.length & 0xff]), body]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function explicit(number: number, content: Buffer): Buffer {
  return der(0xa0 | number, content);
}

/** @param bytes big endian, the first below 0x80 */
function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes);
}

function bitString(bytes: Buffer, unusedBits = 0): Buffer {
  return der(0x03, Buffer.from([unusedBits]), bytes);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function utcTime(timeMs: number): Buffer {
  const digits = new Date(timeMs).toISOString().replaceAll(/[-:T]/g, "");
  return der(0x17, Buffer.from(`${digits.slice(2, 14)}Z`, "latin1"));
}

function name(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(commonName, "utf8")))));
}

function extension(id: string, content: Buffer): Buffer {
  return sequence(oid(id), der(0x04, content));
}

const isTrue: Buffer = der(0x01, Buffer.from([0xff]));
const ecdsaWithSha256: Buffer = sequence(oid("2a8648ce3d040302"));
/** Signs certificates. */
const caExtensions: Buffer = sequence(
  sequence(oid("551d13"), isTrue, der(0x04, sequence(isTrue))),
  extension("551d0f", bitString(Buffer.from([0b0000_0100]), 2)),
);
const serverExtensions: Buffer = sequence(
  extension(
    "551d11",
    sequence(
      der(0x82, Buffer.from("localhost", "latin1")),
      der(0x87, Buffer.from([127, 0, 0, 1])),
      der(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])])),
    ),
  ),
  extension("551d25", sequence(oid("2b06010505070301"))),
);
const clientExtensions: Buffer = sequence(extension("551d25", sequence(oid("2b06010505070302"))));
