import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../core/clock.ts";
import type { Peer } from "../core/link.ts";
import { seededRandomness } from "../core/randomness.ts";
import type { Responder } from "../protocols/ports.ts";
import { keyIdOf } from "../store/vault-keys.ts";
import { type Host, host, type TenantPorts } from "./host.ts";
import { type VaultBench, vaultBench } from "./vault/fixtures.test-support.ts";
import type { LiveVault } from "./vault/live-vault.ts";
import { startRekeying } from "./vault/rekey.ts";
import type { Vault } from "./vault.ts";

const tenant = "demo";
const protocol = "est";
const passphrase = { passphrase: async () => "six random words of mine" };
const peer: Peer = {
  address: "192.0.2.7:1",
  chain: [],
  binding: () => assert.fail("not asked for"),
  exporter: () => assert.fail("not asked for"),
};

/** Counts in a session how often a name was said. */
const counter: Responder<string, number, number> = {
  session: (name) => name,
  async step(said = 0) {
    const session = said + 1;
    return { next: { session, expires: 1e15 }, writes: [], outputs: [{ kind: "send", reply: session }] };
  },
};

test("ok/host: a session that another service has sealed with a newer key goes on", async () => {
  const { bench, here, there, say } = await twoServices("passphrase");
  await say(there, "one");
  await rekey(bench, here);
  assert.equal(await say(here, "one"), 2);
  assert.equal(await say(there, "one"), 3);
  await rekey(bench, here);
  // Nothing was read meanwhile that would tell of the newer key.
  assert.equal(await say(there, "two"), 1);
  await assertSealedWith(bench, here.ring.current, ["one", "two"]);
});

test("fail/host: a session is not acknowledged under a data key that is gone, nor one that does not open", async () => {
  const { bench, here, there, say } = await twoServices("file");
  await say(there, "one");
  await rekey(bench, here);
  await assert.rejects(say(there, "one"), { code: "rekeyed-elsewhere" });
  await assert.rejects(say(there, "two"), { code: "rekeyed-elsewhere" });
  await assertSealedWith(bench, here.ring.current, ["one"]);
  assert.equal(await say(here, "one"), 2);
});

/** Two services on one store, each with a data directory; `say` sends a name to the one with this vault. */
async function twoServices(source: "file" | "passphrase") {
  const bench = await vaultBench();
  const here = await bench.open({ source, secrets: passphrase });
  const directory = mkdtempSync(join(tmpdir(), "hatchery-vault-"));
  copyFileSync(join(bench.directory, "vault.key"), join(directory, "vault.key"));
  const there = await bench.open({ directory, secrets: passphrase });
  const hosts = new Map<Vault, Host<string, number>>(
    [here, there].map((vault) => [vault, hostOver(bench, vault)] as const),
  );
  const say = async (vault: Vault, name: string) => (await (hosts.get(vault) ?? assert.fail())(name, peer, {})).reply;
  return { bench, here, there, say };
}

function hostOver({ store, clock }: VaultBench, vault: Vault): Host<string, number> {
  const randomness = seededRandomness("host");
  // The counter asks for nothing.
  const ports = { clock, randomness } as unknown as TenantPorts;
  return host({ tenant, protocol, store, vault, clock, randomness, responder: counter, ports });
}

async function rekey({ store }: VaultBench, vault: LiveVault): Promise<void> {
  const errors: unknown[] = [];
  const rekeying = startRekeying({ store, vault, clock: systemClock, onError: (error) => void errors.push(error) });
  await rekeying.begin({ secrets: passphrase }, "ada");
  while ((await rekeying.status()).keys.length > 1) await systemClock.sleep(2);
  await rekeying.stop();
  assert.deepEqual(errors, []);
}

async function assertSealedWith({ store }: VaultBench, id: string, names: readonly string[]): Promise<void> {
  const [row] = await store.vaultKeys.list();
  assert.equal(row?.id, id);
  const { sessions } = await store.vaultKeys.sealedWith(id, 9);
  assert.deepEqual(sessions.map(({ key }) => key).toSorted(), names);
  for (const { data } of sessions) assert.equal(keyIdOf(data), id);
}
