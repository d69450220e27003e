export {
  type BrokerFixture,
  type BrokerFixtureOptions,
  type RestAnswer,
  startBroker,
} from "./broker-fixture.ts";
export { type ComponentName, describeWith, findComponent } from "./real-component.ts";
export { makeCertificates, type TestCertificate, type TestCertificates } from "./certificates.ts";
export {
  connectedClient,
  MqttTestClient,
  openClient,
  type ClientOptions,
  type Ending,
} from "./mqtt-client.ts";
export { framed, framesOf, oneByOne, packetBytes, textOf } from "./packets.ts";
export { FakeClock } from "./fake-clock.ts";
