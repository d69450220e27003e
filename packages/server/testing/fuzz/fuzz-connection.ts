import { connect, type Socket } from "node:net";
import { PacketDecoder } from "@weir/protocol";
import type { Packet, ProtocolVersion } from "@weir/protocol";
import { plausibleConnect, plausiblePacket } from "./corpus.ts";
import type { Seed } from "./corpus.ts";
import type { FuzzCredentials } from "./fuzz-credentials.ts";
import { mutate } from "./mutation.ts";
import type { Random } from "./random.ts";
import { framed, upgradeRequest } from "./web-socket-frames.ts";

export interface FuzzTarget {
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly credentials: FuzzCredentials;
  readonly corpus: readonly Seed[];
}

/** What went over the connections of a run. */
export interface FuzzTraffic {
  /** Types of packets (the first byte's high half) in both directions. */
  readonly sent: Set<number>;
  readonly received: Set<number>;
  connections: number;
  accepted: number;
}

const LIFE_MS = 2_000;
const CONNACK_MS = 500;
const MAX_STEPS = 14;
const CONNECT = 1;
const DISCONNECT = Buffer.from("e000", "hex");

/**
 * One hostile connection: it may begin well, then sends packets of which some are broken, answers what it gets well or
 * badly, and leaves in some way. What it does depends on `random` and on what the broker says.
 *
 * @throws Error if the broker has sent what is no MQTT
 */
export async function attack(target: FuzzTarget, random: Random, traffic: FuzzTraffic): Promise<void> {
  const connection = new FuzzConnection(target, random, traffic);
  await connection.run();
}

class FuzzConnection {
  readonly #random: Random;
  readonly #target: FuzzTarget;
  readonly #traffic: FuzzTraffic;
  readonly #isWebSocket: boolean;
  readonly #socket: Socket;
  readonly #version: ProtocolVersion;
  /** Reads what the broker says, as long as it is sure in which version. */
  readonly #decoder: PacketDecoder;
  #isStrict = true;
  #isUpgraded = false;
  #isClosed = false;
  #incoming: Buffer = Buffer.alloc(0);
  readonly #answers: Buffer[] = [];
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(target: FuzzTarget, random: Random, traffic: FuzzTraffic) {
    this.#random = random;
    this.#target = target;
    this.#traffic = traffic;
    this.#isWebSocket = random.chance(0.3);
    this.#version = random.pick([3, 4, 5, 5] as const);
    const protocolVersion = this.#version;
    this.#decoder = new PacketDecoder({ from: "server", maxPacketBytes: 268_435_460, protocolVersion });
    const port = this.#isWebSocket ? target.httpPort : target.mqttPort;
    this.#socket = connect({ host: "127.0.0.1", port, noDelay: true });
    traffic.connections += 1;
  }

  async run(): Promise<void> {
    this.#listen();
    if (this.#isWebSocket) await this.#upgrade();
    let isFirst = true;
    for (const packet of this.#script()) {
      if (this.#isClosed) break;
      await this.#send(packet);
      if (isFirst && this.#random.chance(0.8)) await this.#pause(CONNACK_MS);
      isFirst = false;
      await this.#answer();
      if (this.#random.chance(0.04)) this.#socket.pause();
    }
    await this.#leave();
    if (this.#failure) throw this.#failure;
  }

  #listen(): void {
    const timer = setTimeout(() => this.#socket.destroy(), LIFE_MS);
    this.#socket
      .on("error", () => undefined)
      .on("data", (chunk: Buffer) => this.#onData(chunk))
      .on("close", () => {
        clearTimeout(timer);
        this.#isClosed = true;
        this.#wake?.();
      });
  }

  async #upgrade(): Promise<void> {
    const random = this.#random;
    const { credentials } = this.#target;
    const how = random.next();
    const path = how < 0.1 ? `/mqtt?ticket=${await credentials.ticket(random)}` : "/mqtt";
    const headers = how > 0.9 ? [`Authorization: Bearer ${credentials.key(random)}`] : [];
    this.#socket.write(upgradeRequest(random, path, headers));
    await this.#pause(CONNACK_MS);
  }

  *#script(): Generator<Buffer> {
    const random = this.#random;
    if (random.chance(0.02)) {
      yield random.bytes(1 + random.below(500));
      return;
    }
    const seed = random.chance(0.3) ? random.pick(this.#target.corpus) : undefined;
    const begins = seed?.packets.some((packet) => packet[0] === 0x10) === true;
    if (begins) this.#isStrict = false; // its CONNECT says which version it is, perhaps after a mutation
    if (seed?.packets[0]?.[0] !== 0x10 || random.chance(0.5)) yield this.#connect();
    if (seed) for (const packet of seed.packets) yield this.#maybeMutated(packet, 0.3);
    const steps = random.below(MAX_STEPS);
    for (let step = 0; step < steps; step++) {
      yield this.#maybeMutated(this.#plausible(plausiblePacket), 0.15);
    }
  }

  #connect(): Buffer {
    const packet = this.#plausible(plausibleConnect);
    if (this.#random.chance(0.9)) return packet;
    this.#isStrict = false;
    return this.#mutated(packet);
  }

  #plausible(make: typeof plausiblePacket): Buffer {
    return make(this.#random, this.#version, this.#target.credentials.key(this.#random));
  }

  #maybeMutated(packet: Buffer, probability: number): Buffer {
    return this.#random.chance(probability) ? this.#mutated(packet) : packet;
  }

  #mutated(packet: Buffer): Buffer {
    return mutate(this.#random, packet, this.#random.pick(this.#target.corpus).packets);
  }

  async #send(packet: Buffer): Promise<void> {
    if (packet.length === 0) return;
    this.#traffic.sent.add((packet[0] as number) >> 4);
    const bytes = this.#isWebSocket && this.#isUpgraded ? framed(this.#random, packet) : packet;
    if (this.#random.chance(0.85)) {
      this.#write(bytes);
      return;
    }
    const at = this.#random.below(bytes.length);
    this.#write(bytes.subarray(0, at));
    await this.#pause(1);
    this.#write(bytes.subarray(at));
  }

  #write(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Lets the broker speak, and answers what asks for it: mostly as it should. */
  async #answer(): Promise<void> {
    if (this.#random.chance(0.4)) await this.#pause(3);
    for (const answer of this.#answers.splice(0)) {
      if (this.#random.chance(0.8)) await this.#send(this.#maybeMutated(answer, 0.1));
    }
  }

  async #leave(): Promise<void> {
    const random = this.#random;
    for (let round = 0; round < 3; round++) await this.#answer();
    if (random.chance(0.2)) await this.#send(DISCONNECT);
    const how = random.below(4);
    if (how === 0) this.#socket.resetAndDestroy();
    else if (how === 1) this.#socket.destroy();
    else this.#socket.end();
    this.#socket.resume();
    if (!this.#isClosed) await this.#pause(20);
    this.#socket.destroy();
  }

  /** Until something comes, at most for so long. */
  async #pause(ms: number): Promise<void> {
    if (this.#isClosed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #onData(chunk: Buffer): void {
    if (!this.#isWebSocket) this.#read(chunk);
    else this.#onFrames(chunk);
    this.#wake?.();
  }

  #onFrames(chunk: Buffer): void {
    this.#incoming = Buffer.concat([this.#incoming, chunk]);
    if (!this.#isUpgraded) {
      const end = this.#incoming.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#isUpgraded = this.#incoming.subarray(9, 12).toString() === "101";
      this.#incoming = this.#incoming.subarray(end + 4);
    }
    if (!this.#isUpgraded) return;
    for (let frame = this.#takeFrame(); frame !== undefined; frame = this.#takeFrame()) this.#read(frame);
  }

  /** The payload of the next data frame; control frames are skipped. */
  #takeFrame(): Buffer | undefined {
    const bytes = this.#incoming;
    if (bytes.length < 2) return undefined;
    const short = (bytes[1] as number) & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < head) return undefined;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : bytes.readUInt32BE(6);
    if (bytes.length < head + length) return undefined;
    this.#incoming = bytes.subarray(head + length);
    const isData = ((bytes[0] as number) & 0x0f) < 8;
    return isData ? bytes.subarray(head, head + length) : Buffer.alloc(0);
  }

  #read(bytes: Buffer): void {
    if (this.#failure || bytes.length === 0) return;
    try {
      this.#decoder.push(Buffer.from(bytes));
      for (let packet = this.#decoder.next(); packet !== undefined; packet = this.#decoder.next())
        this.#take(packet);
    } catch (error) {
      const sent = `${bytes.toString("hex", 0, 200)} (${String(error)})`;
      if (this.#isStrict) this.#failure = new Error(`the broker sent what is no MQTT: ${sent}`);
    }
  }

  #take(packet: Packet): void {
    this.#traffic.received.add(typeNumbers[packet.type]);
    if (packet.type === "connack" && packet.reasonCode === 0) this.#traffic.accepted += 1;
    if (packet.type === "publish" && packet.qos > 0)
      this.#ack(packet.qos === 1 ? 0x40 : 0x50, packet.packetId);
    if (packet.type === "pubrec") this.#ack(0x62, packet.packetId);
    if (packet.type === "pubrel") this.#ack(0x70, packet.packetId);
  }

  #ack(first: number, packetId: number): void {
    this.#answers.push(Buffer.from([first, 2, packetId >> 8, packetId & 0xff]));
  }
}

const typeNumbers: Readonly<Record<Packet["type"], number>> = {
  connect: CONNECT,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
};
