import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { equal } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/core/clock.ts";
import { systemRandomness } from "../../src/core/randomness.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import { openFactory } from "../../src/lab/factory.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { type HatcheryOptions, type ServiceProcess, startUp, type Up } from "../system/hatchery.ts";
import { type Fleet, fleetOf } from "./fleet.ts";
import { checkFile, checkKept } from "./invariants.ts";

/** A service whose operator trusts a factory and lets devices without a credential wait for a person. */
export function prepare(data: string, prefix: string): Promise<Fleet> {
  return whileUp(data, (up) => prepareUp(up, prefix));
}

/** The same of a service that runs already. */
export async function prepareUp(up: Up, prefix: string): Promise<Fleet> {
  const factory = await openFactory("Acme", systemClock, systemRandomness);
  const anchor = encodePem("CERTIFICATE", factory.certificate);
  await call(up, "POST", "/anchors", { name: "acme", pem: anchor });
  await call(up, "POST", "/rules", { verdict: "allow", match: { issuer: "acme" } });
  await call(up, "POST", "/rules", { verdict: "wait", match: { credential: "anonymous" } });
  const { root } = (await call(up, "GET", "/ca")) as { readonly root: string };
  const [certificate] = decodePem(root);
  assert.ok(certificate);
  return fleetOf(factory, certificate.bytes, prefix);
}

/** Every device that was begun comes to its end, and every certificate is given out again as it was. */
export async function finish(data: string, fleet: Fleet): Promise<void> {
  await whileUp(data, async (up) => {
    await fleet.finish(up);
    const before = checkKept(data, fleet.received);
    assert.equal(before.unheard, 0, "every certificate in the store is in the hands of its device");
    for (const received of fleet.received) {
      const again = await fleet.askAgain(up, received);
      assert.ok(equal(again, received.certificate), `${received.name} gets the same answer to the same request`);
    }
    assert.deepEqual(checkKept(data, fleet.received), before, "asking again grants nothing");
  });
  checkFile(data);
}

/** Uses a service on `data` from its start to its orderly end. */
export async function whileUp<T>(
  data: string,
  use: (up: Up, service: ServiceProcess) => Promise<T>,
  options: HatcheryOptions = {},
): Promise<T> {
  const service = startUp(data, [], options);
  try {
    const up = await service.up;
    if (up === undefined) assert.fail(`the service did not start: ${(await service.ended).stderr}`);
    const result = await use(up, service);
    service.kill("SIGTERM");
    assert.equal((await service.ended).code, 0);
    return result;
  } finally {
    service.kill("SIGKILL");
  }
}

async function call(up: Up, method: string, path: string, body?: unknown): Promise<unknown> {
  const request = { method, path: `/api/v1/tenants/default${path}`, ...(body === undefined ? {} : { body }) };
  const { status, body: answer } = await requestUnix(up.socket, request);
  assert.equal(status, 200, JSON.stringify(answer));
  return answer;
}

export async function inDirectory(use: (data: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "hatchery-crash-"));
  try {
    await use(join(parent, "data"));
  } finally {
    await rm(parent, { recursive: true });
  }
}
