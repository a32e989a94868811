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
  const heads = auditHeads(path, store, ["a", "b"]);
  assert.equal(heads.noted("a"), undefined);
  await heads.note();
  const first = await store.audit.head("a");
  assert.deepEqual(auditHeads(path, store, ["a", "b"]).noted("a"), first);
  assert.equal(heads.noted("b"), undefined);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await store.commit([line(store, "a", "two")]);
  assert.deepEqual(await heads.contradicted(), []);
  await heads.note();
  assert.equal(auditHeads(path, store, ["a", "b"]).noted("a")?.sequence, 2);
  await store.close();
});

test("fail/audit heads: an audit that was cut off or made anew is told, and its head stays noted", async () => {
  const path = join(directory, "cut.json");
  const store = await filled("one", "two", "three");
  await auditHeads(path, store, ["a", "b"]).note();
  for (const other of [await filled("one", "two"), await filled("one", "two", "else", "more")]) {
    const heads = auditHeads(path, other, ["a", "b"]);
    assert.deepEqual(await heads.contradicted(), ["a"]);
    await heads.note();
    assert.deepEqual(auditHeads(path, other, ["a", "b"]).noted("a"), await store.audit.head("a"));
    await other.close();
  }
  await store.close();
});

test("ok/audit heads: of other tenants nothing is noted or believed", async () => {
  const path = join(directory, "others.json");
  const store = await filled("one", "two");
  await auditHeads(path, store, ["a"]).note();
  await store.commit([store.tenants.remove("a")]);
  const others = auditHeads(path, store, ["b"]);
  assert.equal(others.noted("a"), undefined);
  assert.deepEqual(await others.contradicted(), []);
  await store.close();
});

test("ok/audit heads: a broken file is as good as none", async () => {
  const path = join(directory, "broken.json");
  const store = await filled("one");
  for (const content of ["", "{", "[]", '{"a":{"sequence":0,"hash":""}}', '{"a":{"sequence":1,"hash":"zz"}}']) {
    writeFileSync(path, content);
    const heads = auditHeads(path, store, ["a", "b"]);
    assert.equal(heads.noted("a"), undefined);
    await heads.note();
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { a: await store.audit.head("a") });
  }
  await store.close();
});
