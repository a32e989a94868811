import assert from "node:assert/strict";
import { device, identity, listed, type Open, rejectsWith, storeTest } from "./fixtures.test-suite.ts";

/** Tenants, devices and identities. */
export function inventoryConformance(open: Open): void {
  storeTest(open, "ok/tenants: ensured once, listed by name", async (store) => {
    await store.commit([
      store.tenants.ensure({ tenant: "a", created: 99 }),
      store.tenants.ensure({ tenant: "0", created: 5 }),
    ]);
    assert.deepEqual(await listed(store.tenants.list), [
      { tenant: "0", created: 5 },
      { tenant: "a", created: 1 },
      { tenant: "b", created: 1 },
    ]);
  });

  storeTest(open, "fail/tenants: a record of a tenant that does not exist", async (store) => {
    await rejectsWith("guard-lost", store.commit([store.devices.insert(device("d1", { tenant: "nobody" }))]));
  });

  storeTest(open, "ok/devices: inserted, found and changed", async (store) => {
    const d1 = device("d1");
    await store.commit([store.devices.insert(d1)]);
    assert.deepEqual(await store.devices.find("a", "d1"), d1);
    assert.equal(await store.devices.find("a", "d2"), undefined);
    await store.commit([store.devices.update(d1, { lifecycle: "claimed", updated: 11 })]);
    const claimed = { ...d1, lifecycle: "claimed", updated: 11 } as const;
    assert.deepEqual(await store.devices.find("a", "d1"), claimed);
    await store.commit([store.devices.update(claimed, { name: "Lamp", updated: 12 })]);
    assert.deepEqual(await store.devices.find("a", "d1"), { ...claimed, name: "Lamp", updated: 12 });
  });

  storeTest(open, "fail/devices: the same id twice", async (store) => {
    await store.commit([store.devices.insert(device("d1"))]);
    await rejectsWith("guard-lost", store.commit([store.devices.insert(device("d1", { name: "other" }))]));
    assert.deepEqual(await store.devices.find("a", "d1"), device("d1"));
  });

  storeTest(open, "fail/devices: changed since it was read", async (store) => {
    const d1 = device("d1");
    await store.commit([store.devices.insert(d1)]);
    await store.commit([store.devices.update(d1, { lifecycle: "claimed", updated: 10 })]);
    await rejectsWith("guard-lost", store.commit([store.devices.update(d1, { lifecycle: "retired", updated: 13 })]));
    const claimed = device("d1", { lifecycle: "claimed" });
    await store.commit([store.devices.update(claimed, { name: "Lamp", updated: 12 })]);
    await rejectsWith("guard-lost", store.commit([store.devices.update(claimed, { name: "Door", updated: 13 })]));
    await rejectsWith("guard-lost", store.commit([store.devices.update(device("d2"), { updated: 13 })]));
  });

  storeTest(open, "ok/identities: found by kind and value, listed in order", async (store) => {
    await store.commit([
      store.devices.insert(device("d1")),
      store.devices.addIdentity(identity("d1", "SN-2")),
      store.devices.addIdentity(identity("d1", "SN-1")),
      store.devices.addIdentity(identity("d1", "SN-1", { kind: "name", provenBy: "idevid" })),
    ]);
    assert.deepEqual(await store.devices.findByIdentity("a", "serial", "SN-1"), device("d1"));
    assert.equal(await store.devices.findByIdentity("a", "mac", "SN-1"), undefined);
    assert.deepEqual(await listed((page) => store.devices.identities("a", "d1", page)), [
      identity("d1", "SN-1", { kind: "name", provenBy: "idevid" }),
      identity("d1", "SN-1"),
      identity("d1", "SN-2"),
    ]);
  });

  storeTest(open, "ok/identities: added again by the same device, with a better proof", async (store) => {
    await store.commit([store.devices.insert(device("d1")), store.devices.addIdentity(identity("d1", "SN-1"))]);
    await store.commit([store.devices.addIdentity(identity("d1", "SN-1", { provenBy: "idevid", issuer: "acme" }))]);
    assert.deepEqual(
      await store.devices.identity("a", "serial", "SN-1"),
      identity("d1", "SN-1", { provenBy: "idevid", issuer: "acme" }),
    );
    assert.deepEqual(await listed((page) => store.devices.identities("a", "d1", page)), [
      identity("d1", "SN-1", { provenBy: "idevid", issuer: "acme" }),
    ]);
  });

  storeTest(
    open,
    "ok/identities: serial numbers and names are found in any case, and shown as they were written",
    async (store) => {
      const written = [
        identity("d1", "La-1", { kind: "endpoint" }),
        identity("d1", "Lamp-1", { kind: "name" }),
        identity("d1", "SN-1"),
      ];
      await store.commit([store.devices.insert(device("d1")), ...written.map(store.devices.addIdentity)]);
      await store.commit([store.devices.addIdentity(identity("d1", "sn-1"))]);
      assert.deepEqual(await store.devices.findByIdentity("a", "serial", "sn-1"), device("d1"));
      assert.deepEqual(await store.devices.identity("a", "name", "LAMP-1"), written[1]);
      assert.equal(await store.devices.identity("a", "endpoint", "la-1"), undefined);
      assert.deepEqual(await listed((page) => store.devices.identities("a", "d1", page)), written);
      await store.commit([store.devices.insert(device("d2"))]);
      await rejectsWith("guard-lost", store.commit([store.devices.addIdentity(identity("d2", "Sn-1"))]));
    },
  );

  storeTest(open, "ok/identities: several at one moment, in the order asked", async (store) => {
    await store.commit([
      store.devices.insert(device("d1")),
      store.devices.insert(device("d2")),
      store.devices.addIdentity(identity("d1", "SN-1", { issuer: "acme" })),
      store.devices.addIdentity(identity("d2", "SN-1", { kind: "name" })),
      store.devices.addIdentity(identity("d1", "k1", { kind: "key" })),
    ]);
    const asked = [
      { kind: "key", value: "K1" },
      { kind: "name", value: "sn-1" },
      { kind: "serial", value: "sn-1" },
      { kind: "key", value: "k1" },
    ] as const;
    assert.deepEqual(await store.devices.identified("a", asked), [
      undefined,
      { identity: identity("d2", "SN-1", { kind: "name" }), device: device("d2") },
      { identity: identity("d1", "SN-1", { issuer: "acme" }), device: device("d1") },
      { identity: identity("d1", "k1", { kind: "key" }), device: device("d1") },
    ]);
    assert.deepEqual(await store.devices.identified("b", asked.slice(1)), [undefined, undefined, undefined]);
  });

  storeTest(open, "fail/identities: that of another device, and of no device", async (store) => {
    await store.commit([
      store.devices.insert(device("d1")),
      store.devices.insert(device("d2")),
      store.devices.addIdentity(identity("d1", "SN-1")),
    ]);
    await rejectsWith("guard-lost", store.commit([store.devices.addIdentity(identity("d2", "SN-1"))]));
    await rejectsWith("guard-lost", store.commit([store.devices.addIdentity(identity("d3", "SN-3"))]));
    assert.equal((await store.devices.findByIdentity("a", "serial", "SN-1"))?.id, "d1");
  });

  storeTest(open, "ok/devices: listed by name, searched by the beginning of name or identity", async (store) => {
    await store.commit([
      store.devices.insert(device("d1", { name: "Lamp" })),
      store.devices.insert(device("d2", { name: "Lamp" })),
      store.devices.insert(device("d3", { name: "Door%_" })),
      store.devices.addIdentity(identity("d3", "La-Poste")),
      store.devices.addIdentity(identity("d3", "Lamp-9", { kind: "endpoint" })),
      store.devices.addIdentity(identity("d1", "é-1", { kind: "name" })),
    ]);
    const found = async (search?: string) =>
      (await listed((page) => store.devices.list("a", page, search))).map(({ id }) => id);
    assert.deepEqual(await found(), ["d3", "d1", "d2"]);
    assert.deepEqual(await found(""), ["d3", "d1", "d2"]);
    assert.deepEqual(await found("La"), ["d3", "d1", "d2"]);
    assert.deepEqual(await found("La-"), ["d3"]);
    assert.deepEqual(await found("Lamp"), ["d3", "d1", "d2"]);
    assert.deepEqual(await found("é"), ["d1"]);
    assert.deepEqual(await found("Door%"), ["d3"]);
    assert.deepEqual(await found("%"), []);
    assert.deepEqual(await found("la"), ["d3"]);
    assert.deepEqual(await found("lamp"), []);
    assert.deepEqual(await found("amp"), []);
  });

  storeTest(open, "ok/devices: a search is bounded, a longer one finds the others", async (store) => {
    const ids = Array.from({ length: 1002 }, (_, index) => String(index).padStart(4, "0"));
    await store.commit(ids.map((id) => store.devices.insert(device(id))));
    const first = await store.devices.list("a", { limit: 500 }, "name-");
    const second = await store.devices.list("a", { limit: 500, after: first.next! }, "name-");
    assert.equal(second.items.at(-1)?.id, "0999");
    assert.equal(second.next, undefined);
    const longer = await store.devices.list("a", { limit: 500 }, "name-100");
    assert.deepEqual(
      longer.items.map(({ id }) => id),
      ["1000", "1001"],
    );
  });
}
