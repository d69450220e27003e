import { describeWith } from "@weir/testkit";
import { PahoLibrary } from "../../testing/real-clients/paho-library.ts";
import { testClientLibrary } from "./real-client-contract.ts";

describeWith("paho", "Python's paho", (python) => {
  testClientLibrary({
    open: () => new PahoLibrary(python),
    combinations: [
      ["tcp", 3],
      ["tcp", 4],
      ["tcp", 5],
      ["tls", 4],
      ["tls", 5],
      ["ws", 4],
      ["ws", 5],
    ],
    // paho 1.6 forgets a packet whose WebSocket frame the system did not take at once
    sendsNothingLargeOver: ["ws"],
    repeatsQos2: "paho 1.6 sends PUBLISH again where PUBREL is due, if a reconnect fails before its CONNACK",
  });
});
