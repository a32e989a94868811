import assert from "node:assert/strict";
import { test } from "node:test";
import { base64, hex } from "../../src/core/bytes.ts";
import { commonName, craftedRequest, newSigner } from "./crafted.ts";
import { ask, certificateIn, enrolment, type RawIdentity } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";

/** A delivery of devices that are switched on together. */

const devices = 1_000;

test("ok/1,000 devices at once: all enrolled, none twice", async (context) => {
  const service = await startService();
  try {
    await service.call("POST", "/rules", { verdict: "allow", match: { credential: "idevid", issuer: "acme" } });
    const fleet = await Promise.all(Array.from({ length: devices }, (_, index) => made(service, `FLEET-${index}`)));
    const began = performance.now();
    const certificates = await Promise.all(fleet.map((device) => enrolled(service, device)));
    context.diagnostic(`${devices} enrolled in ${(performance.now() - began).toFixed(0)} ms`);
    assert.equal(new Set(certificates.map(hex)).size, devices);
    const stored = service.rows("certificates").map(({ certificate }) => base64(certificate as Uint8Array));
    assert.deepEqual(stored.sort(), certificates.map(base64).sort());
    assert.equal(service.rows("devices").length, devices);
    assert.equal(service.rows("runs").filter(({ outcome }) => outcome === "granted").length, devices);
  } finally {
    await service.close();
  }
});

interface Fleeting {
  readonly identity: RawIdentity;
  readonly request: Uint8Array;
}

async function made(service: TestService, serial: string): Promise<Fleeting> {
  const { certificate, key } = await service.factory.makeDevice(serial);
  const request = enrolment(await craftedRequest({ subject: commonName(serial), signer: newSigner() }));
  return { identity: { chain: [certificate], key }, request };
}

/** As a device does: a connection that breaks under the load is made again, with the same request. */
async function enrolled(service: TestService, { identity, request }: Fleeting, tries = 5): Promise<Uint8Array> {
  try {
    const answer = await ask(service, request, { identity });
    if (answer.status !== 503 || tries === 1) return certificateIn(answer);
  } catch (error) {
    if (tries === 1) throw error;
  }
  return enrolled(service, { identity, request }, tries - 1);
}
