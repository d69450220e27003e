// aedes, the way its documentation starts it: node aedes-server.ts PORT
import { createServer } from "node:net";
import { Aedes } from "aedes";

const aedes = await Aedes.createBroker();
createServer((socket) => void aedes.handle(socket)).listen(Number(process.argv[2]), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
