import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { hex } from "../core/bytes.ts";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { decodePem } from "../encoding/pem.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { ServerCredential } from "../transport/http/device-tls.ts";
import { openAuthority } from "./authority.ts";
import { beginRollover, switchRollover } from "./ca-rollover.ts";
import { sealedKeyKeeper } from "./key-keeper.ts";
import { serverCredential } from "./server-credential.ts";
import { unsealed } from "./vault/fixtures.test-support.ts";

const tenant = "default";
const noBytes = new Uint8Array(0);
const day = 24 * 3600 * 1000;

async function house() {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([store.tenants.ensure({ tenant, created: clock.now() })]);
  const parts = {
    store,
    vault: unsealed,
    clock,
    randomness: seededRandomness("server"),
    keys: sealedKeyKeeper({ store, vault: unsealed }),
  };
  const authority = await openAuthority(tenant, parts);
  const shown = (names: readonly string[] = ["est.example", "192.0.2.1"]) =>
    serverCredential(tenant, { commonName: "Hatchery default", names }, authority, parts);
  return { ...parts, authority, acting: { ...parts, tenant, actor: "ada", authority }, shown };
}

const lengthOf = ({ chain }: ServerCredential) => decodePem(chain).length;

test("ok/credential: for the listener's names, kept until a third of its life is left", async () => {
  const { shown, clock } = await house();
  const first = await shown();
  const certificate = new X509Certificate(first.chain);
  assert.equal(certificate.subject, "CN=Hatchery default");
  assert.equal(certificate.subjectAltName, "DNS:est.example, IP Address:192.0.2.1");
  assert.equal(lengthOf(first), 2);
  clock.advance(59 * day);
  assert.equal((await shown()).chain, first.chain);
  clock.advance(2 * day);
  assert.notEqual((await shown()).chain, first.chain);
});

test("ok/credential: another one for other names", async () => {
  const { shown } = await house();
  const first = await shown();
  const other = await shown(["other.example"]);
  assert.notEqual(other.chain, first.chain);
  assert.equal((await shown(["other.example"])).chain, other.chain);
});

test("ok/credential: around a roll-over with the cross certificate to the root that it does not lead to", async () => {
  const { shown, authority, acting } = await house();
  await shown();
  const issuerOf = (credential: ServerCredential) => new X509Certificate(credential.chain).issuer;
  const former = issuerOf(await shown());
  await beginRollover(acting);
  const begun = await shown();
  assert.deepEqual([issuerOf(begun), lengthOf(begun)], [former, 3]);
  await switchRollover(acting);
  const switched = await shown();
  assert.notEqual(issuerOf(switched), former);
  const chain = decodePem(switched.chain).map(({ bytes }) => hex(bytes));
  const { all } = await authority.hierarchy();
  const named = (name: string) => hex(all.find(({ record }) => record.name === name)?.record.certificate ?? noBytes);
  assert.deepEqual(chain.slice(1), [named("issuing-2"), named("new-with-old-2")]);
});
