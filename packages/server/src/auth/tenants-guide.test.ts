import { readFileSync } from "node:fs";
import { type BrokerFixture, startBroker } from "@weir/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";

let broker: BrokerFixture;
beforeAll(async () => {
  broker = await startBroker({ anonymous: { allow: "nobody" } });
});
afterAll(() => broker.close());

/** Its blocks of HTTP: a method and an address, then perhaps a body. */
function calls(): readonly { method: string; path: string; body: unknown }[] {
  const guide = readFileSync(new URL("../../../../docs/guide/tenants.md", import.meta.url), "utf8");
  return [...guide.matchAll(/```http\n(\w+) \/api\/v1(\S+)\n([^`]*)```/g)].map(([, method, path, body]) => ({
    method: method as string,
    path: path as string,
    body: body === "" ? undefined : (JSON.parse(body as string) as unknown),
  }));
}

test("docs/guide/tenants.md does what it says", async () => {
  const answers: unknown[] = [];
  for (const { method, path, body } of calls()) answers.push(await broker.rest(method, path, body));
  expect(answers).toMatchObject([
    { name: "acme", verifiedPublisher: true, limits: { connections: 5_000 } },
    { tenant: "acme", scopes: ["admin"] },
    undefined,
  ]);
});
