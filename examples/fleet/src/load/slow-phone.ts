import { connect, type Socket } from "node:net";
import { encodePacket, PacketDecoder } from "@weir/protocol";

const VERSION = 5;
const READ_EVERY_MS = 1_000;
/** What it reads in a second: a phone at the edge of the network. */
const CHUNK_BYTES = 2_048;
const PING_EVERY_MS = 20_000;

/** A client that subscribes to everything of its user and reads far more slowly than it comes. */
export class SlowPhone {
  readonly #socket: Socket;
  readonly #timers: NodeJS.Timeout[] = [];
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => (this.#isClosed = true));
    socket.on("close", () => (this.#isClosed = true));
  }

  static async open(mqttPort: number, token: string): Promise<SlowPhone> {
    const socket = connect(mqttPort, "127.0.0.1");
    const phone = new SlowPhone(socket);
    socket.write(
      encodePacket(
        {
          type: "connect",
          protocolVersion: VERSION,
          cleanStart: true,
          keepAlive: 60,
          clientId: "slow-phone",
          username: token,
          properties: {},
        },
        VERSION,
      ),
    );
    await phone.#connack();
    const subscription = {
      topicFilter: "data/#",
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    socket.write(encodePacket({ type: "subscribe", packetId: 1, subscriptions: [subscription] }, VERSION));
    phone.#readSlowly();
    return phone;
  }

  /** The broker has not cut it off. */
  get isConnected(): boolean {
    return !this.#isClosed;
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#socket.destroy();
  }

  #connack(): Promise<void> {
    const decoder = new PacketDecoder({ from: "server", maxPacketBytes: 65_536, protocolVersion: VERSION });
    return new Promise((resolve, reject) => {
      this.#socket.once("close", () => reject(new Error("the broker refused the slow phone")));
      this.#socket.once("data", (chunk: Buffer) => {
        decoder.push(chunk);
        const packet = decoder.next();
        if (packet?.type === "connack" && packet.reasonCode === 0) resolve();
        else reject(new Error("the broker refused the slow phone"));
      });
    });
  }

  /** It acknowledges nothing: what it has not read it cannot. */
  #readSlowly(): void {
    this.#socket.pause();
    this.#socket.removeAllListeners("data");
    this.#timers.push(
      setInterval(() => void this.#socket.read(CHUNK_BYTES), READ_EVERY_MS),
      setInterval(() => this.#socket.write(encodePacket({ type: "pingreq" }, VERSION)), PING_EVERY_MS),
    );
  }
}
