import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { auditHeads } from "./audit-heads.ts";

const directory = mkdtempSync(join(tmpdir(), "hatchery-heads-"));
after(() => rmSync(directory, { recursive: true }));

function line(store: Store, tenant: string, action: string) {
  return store.audit.append({ tenant, at: 1, actor: "x", action, subject: "y", detail: {} });
}

async function filled(...actions: readonly string[]): Promise<Store> {
  const store = await openSqliteStore(":memory:");
  await store.commit(["a", "b"].map((tenant) => store.tenants.ensure({ tenant, created: 1 })));
  await store.commit(actions.map((action) => line(store, "a", action)));
  return store;
}

test("ok/audit heads: noted, read again, followed, private", async () => {
  const path = join(directory, "ok.json");
  const store = await filled("one");
  const heads = auditHeads(path, store);
  assert.equal(heads.noted("a"), undefined);
  await heads.note(["a", "b"]);
  const first = await store.audit.head("a");
  assert.deepEqual(auditHeads(path, store).noted("a"), first);
  assert.equal(heads.noted("b"), undefined);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await store.commit([line(store, "a", "two")]);
  assert.deepEqual(await heads.contradicted(), []);
  await heads.note(["a"]);
  assert.equal(auditHeads(path, store).noted("a")?.sequence, 2);
  await store.close();
});

test("fail/audit heads: an audit that was cut off or made anew is told, and its head stays noted", async () => {
  const path = join(directory, "cut.json");
  const store = await filled("one", "two", "three");
  await auditHeads(path, store).note(["a"]);
  for (const other of [await filled("one", "two"), await filled("one", "two", "else", "more")]) {
    const heads = auditHeads(path, other);
    assert.deepEqual(await heads.contradicted(), ["a"]);
    await heads.note(["a"]);
    assert.deepEqual(auditHeads(path, other).noted("a"), await store.audit.head("a"));
    await other.close();
  }
  await store.close();
});

test("ok/audit heads: of a tenant that is forgotten", async () => {
  const path = join(directory, "forgotten.json");
  const store = await filled("one", "two");
  const heads = auditHeads(path, store);
  await heads.note(["a"]);
  heads.forget("a");
  await store.commit([store.tenants.remove("a")]);
  await store.commit([store.tenants.ensure({ tenant: "a", created: 2 }), line(store, "a", "anew")]);
  assert.deepEqual(await auditHeads(path, store).contradicted(), []);
  await heads.note(["a"]);
  assert.equal(auditHeads(path, store).noted("a")?.sequence, 1);
  await store.close();
});

test("ok/audit heads: a broken file is as good as none", async () => {
  const path = join(directory, "broken.json");
  const store = await filled("one");
  for (const content of ["", "{", "[]", '{"a":{"sequence":0,"hash":""}}', '{"a":{"sequence":1,"hash":"zz"}}']) {
    writeFileSync(path, content);
    const heads = auditHeads(path, store);
    assert.equal(heads.noted("a"), undefined);
    await heads.note(["a"]);
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { a: await store.audit.head("a") });
  }
  await store.close();
});
