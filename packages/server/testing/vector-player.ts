import { encodePacket } from "@weir/protocol";
import { connectedClient } from "@weir/testkit";
import { parseVectorBytes, type Vector, type VectorMessage } from "../../protocol/testing/vector.ts";
import { frameSize, RawConnection } from "./raw-connection.ts";

const TIMEOUT_MS = 5_000;
const CONNACK = 0x20;
const DISCONNECT = 0xe0;
const PINGREQ = Buffer.from("c000", "hex");
const PINGRESP = Buffer.from("d000", "hex");

class Mismatch extends Error {}

/** One step of a vector: something to send, something another client publishes, or answers to wait for. */
type Step =
  | Exclude<VectorMessage, { type: "recv" }>
  | { readonly type: "answers"; readonly frames: Buffer[] };

/**
 * Plays a vector to the broker at the port, and gives what went otherwise, or undefined. What the standard leaves to the
 * server is left to it: which error answer it gives (or just the close) where an error answer is due, the properties of
 * an accepting CONNACK, the order of packets that follow each other, and the packet ids of its own PUBLISHes.
 */
export async function playVector(port: number, vector: Vector): Promise<string | undefined> {
  const connection = await RawConnection.open(port);
  try {
    await new VectorPlayer(port, connection, vector).play();
    return undefined;
  } catch (error) {
    if (error instanceof Mismatch) return error.message;
    throw error;
  } finally {
    connection.close();
  }
}

class VectorPlayer {
  readonly #port: number;
  readonly #connection: RawConnection;
  readonly #vector: Vector;
  /** The packet ids that the vector gives to the server's PUBLISHes, and those that the server has given. */
  readonly #ids = new Map<number, number>();
  #isClosed = false;

  constructor(port: number, connection: RawConnection, vector: Vector) {
    this.#port = port;
    this.#connection = connection;
    this.#vector = vector;
  }

  async play(): Promise<void> {
    if (this.#vector.isConnected) await this.#connect();
    for (const step of stepsOf(this.#vector.messages)) await this.#do(step);
    if (this.#vector.endsInClose) await this.#expectClose();
    else await this.#expectLife();
  }

  async #connect(): Promise<void> {
    const { version, title } = this.#vector;
    const fields = { cleanStart: true, keepAlive: 60, clientId: title, properties: {} };
    this.#connection.send(encodePacket({ type: "connect", protocolVersion: version, ...fields }, version));
    const connack = await this.#hear("an accepting CONNACK");
    if (!isAccepting(connack)) throw new Mismatch(`CONNECT was answered by ${connack.toString("hex")}`);
  }

  #do(step: Step): Promise<void> {
    switch (step.type) {
      case "send":
        this.#connection.send(this.#asSent(Buffer.from(parseVectorBytes(step.payload))));
        return Promise.resolve();
      case "answers":
        return this.#expectAnswers(step.frames);
      case "external_publish":
        return this.#publishByAnother(step);
    }
  }

  async #publishByAnother({
    topic,
    payload,
    qos,
    retain = false,
  }: Extract<Step, { type: "external_publish" }>): Promise<void> {
    const publisher = await connectedClient(this.#port, { version: 4, clientId: "another" });
    await publisher.publish(topic, payload, { qos, retain });
    await publisher.disconnect();
  }

  async #expectAnswers(frames: readonly Buffer[]): Promise<void> {
    const [first] = frames;
    if (first && isRefusal(first)) return this.#expectRefusal(first);
    const wanted = frames.map((frame) => this.#asExpected(frame));
    while (wanted.length > 0) {
      const heard = await this.#hear(wanted.map((frame) => frame.toString("hex")).join(" or "));
      const index = wanted.findIndex((frame) => this.#isAsWanted(heard, frame));
      if (index < 0) throw new Mismatch(`got ${heard.toString("hex")}, wanted ${hexOf(wanted)}`);
      wanted.splice(index, 1);
    }
  }

  async #expectRefusal(wanted: Buffer): Promise<void> {
    const heard = await this.#connection.next(TIMEOUT_MS);
    this.#isClosed = heard === "closed";
    if (this.#isClosed || (Buffer.isBuffer(heard) && heard[0] === wanted[0] && isRefusal(heard))) return;
    throw new Mismatch(`got ${hexOf([heard])}, wanted ${wanted.toString("hex")} or a close`);
  }

  #isAsWanted(heard: Buffer, wanted: Buffer): boolean {
    if (isAccepting(wanted)) return isAccepting(heard) && heard[2] === wanted[2];
    if (heard.equals(wanted)) return true;
    const [own, theirs] = [publishId(heard), publishId(wanted)];
    if (own === undefined || theirs === undefined || !withId(heard, theirs).equals(wanted)) return false;
    this.#ids.set(theirs, own);
    return true;
  }

  /** PUBREL follows the server's PUBLISH: under the id that this had. */
  #asExpected(frame: Buffer): Buffer {
    return frame[0] === 0x62 ? this.#renumbered(frame) : frame;
  }

  /** So do the client's PUBACK, PUBREC and PUBCOMP. */
  #asSent(bytes: Buffer): Buffer {
    const type = (bytes[0] ?? 0) >> 4;
    return type === 4 || type === 5 || type === 7 ? this.#renumbered(bytes) : bytes;
  }

  #renumbered(frame: Buffer): Buffer {
    const id = packetId(frame);
    const own = id === undefined ? undefined : this.#ids.get(id);
    return own === undefined ? frame : withId(frame, own);
  }

  async #hear(wanted: string): Promise<Buffer> {
    const heard = await this.#connection.next(TIMEOUT_MS);
    if (Buffer.isBuffer(heard)) return heard;
    throw new Mismatch(`${heard === "closed" ? "was closed" : "nothing came"}, wanted ${wanted}`);
  }

  /** At MQTT 5 a DISCONNECT that says why may come before it. */
  async #expectClose(): Promise<void> {
    if (this.#isClosed) return;
    let heard = await this.#connection.next(TIMEOUT_MS);
    if (this.#vector.version === 5 && Buffer.isBuffer(heard) && heard[0] === DISCONNECT) {
      heard = await this.#connection.next(TIMEOUT_MS);
    }
    if (heard !== "closed") throw new Mismatch(`still connected, got ${hexOf([heard])}`);
  }

  async #expectLife(): Promise<void> {
    this.#connection.send(PINGREQ);
    const heard = await this.#hear("PINGRESP");
    if (!heard.equals(PINGRESP)) throw new Mismatch(`got ${heard.toString("hex")}, wanted PINGRESP`);
  }
}

/** Answers that follow each other may come in any order; one that refuses or accepts a CONNECT stands alone. */
function stepsOf(messages: readonly VectorMessage[]): Step[] {
  const steps: Step[] = [];
  for (const message of messages) {
    const last = steps.at(-1);
    if (message.type !== "recv") steps.push(message);
    else {
      const frame = Buffer.from(parseVectorBytes(message.payload));
      if (frameSize(frame) !== frame.length) throw new RangeError(`no whole frame: ${message.payload}`);
      const standsAlone = isRefusal(frame) || frame[0] === CONNACK;
      if (last?.type === "answers" && !standsAlone) last.frames.push(frame);
      else steps.push({ type: "answers", frames: [frame] });
    }
  }
  return steps;
}

function isAccepting(frame: Buffer): boolean {
  return frame[0] === CONNACK && connackCode(frame) === 0;
}

function isRefusal(frame: Buffer): boolean {
  return frame[0] === DISCONNECT || (frame[0] === CONNACK && connackCode(frame) !== 0);
}

function connackCode(frame: Buffer): number | undefined {
  return frame[headerSize(frame) + 1];
}

function headerSize(frame: Buffer): number {
  return 1 + frame.subarray(1).findIndex((byte) => byte < 0x80) + 1;
}

/** Where the packet id of a QoS handshake's packet stands. */
function idOffset(frame: Buffer): number | undefined {
  const type = (frame[0] ?? 0) >> 4;
  const start = headerSize(frame);
  if (type === 3) return (frame[0] as number) & 6 ? start + 2 + frame.readUInt16BE(start) : undefined;
  return type >= 4 && type <= 7 && frame.length >= start + 2 ? start : undefined;
}

function packetId(frame: Buffer): number | undefined {
  const offset = idOffset(frame);
  return offset === undefined ? undefined : frame.readUInt16BE(offset);
}

function publishId(frame: Buffer): number | undefined {
  return (frame[0] ?? 0) >> 4 === 3 ? packetId(frame) : undefined;
}

function withId(frame: Buffer, id: number): Buffer {
  const copy = Buffer.from(frame);
  copy.writeUInt16BE(id, idOffset(frame));
  return copy;
}

function hexOf(heard: readonly (Buffer | string)[]): string {
  return heard.map((one) => (typeof one === "string" ? one : one.toString("hex"))).join(" or ");
}
