import assert from "node:assert/strict";
import { hash } from "node:crypto";
import type { CertificateFilter } from "../certificates.ts";
import {
  authority,
  bytes,
  certificate,
  crl,
  listed,
  type Open,
  profile,
  rejectsWith,
  sealedKey,
  storeTest,
} from "./fixtures.test-suite.ts";

/** Sealed keys, authorities with their profiles and CRLs, and the certificates that they issued. */
export function authoritiesConformance(open: Open): void {
  storeTest(open, "ok/keys: added, found, sealed anew", async (store) => {
    const key = sealedKey("root-key");
    await store.commit([store.authorities.addKey(key)]);
    assert.deepEqual(await store.authorities.key("a", "root-key"), key);
    assert.equal(await store.authorities.key("a", "issuing-key"), undefined);
    await store.commit([store.authorities.resealKey(key, bytes("anew"))]);
    assert.deepEqual(await store.authorities.key("a", "root-key"), { ...key, sealed: bytes("anew") });
  });

  storeTest(open, "ok/keys: listed by the beginning of their names, removed one by one", async (store) => {
    const keys = ["est-key/b", "est-key/a", "est-keys", "root-key"].map((name) => sealedKey(name));
    await store.commit(keys.map((key) => store.authorities.addKey(key)));
    const names = async () => (await store.authorities.keysUnder("a", "est-key/")).map(({ name }) => name);
    assert.deepEqual(await names(), ["est-key/a", "est-key/b"]);
    await store.commit([store.authorities.removeKey("a", "est-key/a")]);
    assert.deepEqual(await names(), ["est-key/b"]);
    await rejectsWith("guard-lost", store.commit([store.authorities.removeKey("a", "est-key/a")]));
    assert.ok(await store.authorities.key("a", "root-key"));
  });

  storeTest(open, "fail/keys: added twice, sealed anew twice", async (store) => {
    const key = sealedKey("root-key");
    await store.commit([store.authorities.addKey(key)]);
    await rejectsWith("guard-lost", store.commit([store.authorities.addKey({ ...key, sealed: bytes("other") })]));
    await store.commit([store.authorities.resealKey(key, bytes("anew"))]);
    await rejectsWith("guard-lost", store.commit([store.authorities.resealKey(key, bytes("late"))]));
    assert.deepEqual((await store.authorities.key("a", "root-key"))?.sealed, bytes("anew"));
  });

  storeTest(open, "ok/authorities: listed by name, with a key and without", async (store) => {
    const { key: _, ...foreign } = authority("root-2", { role: "root", origin: "imported" });
    const all = [authority("issuing-1"), authority("root-1", { role: "root" }), foreign];
    await store.commit(all.toReversed().map((each) => store.authorities.insert(each)));
    assert.deepEqual(await listed((page) => store.authorities.list("a", page)), all);
  });

  storeTest(open, "ok/authorities: one generation takes over from another in one commit", async (store) => {
    const state = (name: string) => authority(name, { state: name.endsWith("1") ? "active" : "next" });
    await store.commit(["issuing-1", "issuing-2"].map((name) => store.authorities.insert(state(name))));
    await store.commit([
      store.authorities.setState("a", "issuing-1", "active", "retired"),
      store.authorities.setState("a", "issuing-2", "next", "active"),
    ]);
    const { items } = await store.authorities.list("a", { limit: 9 });
    assert.deepEqual(
      items.map((each) => each.state),
      ["retired", "active"],
    );
  });

  storeTest(
    open,
    "fail/authorities: the same name twice, two that are active, a state that is another",
    async (store) => {
      const active = authority("root-1", { role: "root", state: "active" });
      await store.commit([store.authorities.insert(active), store.authorities.insert(authority("issuing-1"))]);
      await rejectsWith("guard-lost", store.commit([store.authorities.insert(authority("root-1"))]));
      await rejectsWith("guard-lost", store.commit([store.authorities.insert({ ...active, name: "root-2" })]));
      await store.commit([store.authorities.insert({ ...active, name: "root-2", state: "next" })]);
      for (const from of ["next", "active"] as const)
        await rejectsWith("guard-lost", store.commit([store.authorities.setState("a", "root-2", from, "active")]));
      // Of cross certificates several are in use.
      const crosses = ["cross-1", "cross-2"].map((name) => authority(name, { role: "cross", state: "active" }));
      await store.commit(crosses.map((cross) => store.authorities.insert(cross)));
    },
  );

  storeTest(open, "ok/certificates: found by serial number and by fingerprint", async (store) => {
    const { device: _, run: __, ...ofTheService } = certificate("02");
    await store.commit([
      store.authorities.insertCertificate(certificate("01")),
      store.authorities.insertCertificate(ofTheService),
    ]);
    assert.deepEqual(await store.authorities.certificate("a", "issuing", "01"), certificate("01"));
    assert.deepEqual(await store.authorities.certificate("a", "issuing", "02"), ofTheService);
    assert.equal(await store.authorities.certificate("a", "root", "01"), undefined);
    const other = certificate("01", { authority: "issuing-2", certificate: bytes("other") });
    await store.commit([store.authorities.insertCertificate(other)]);
    assert.deepEqual(await store.authorities.certificatesBySerial("a", "01"), [certificate("01"), other]);
    assert.deepEqual(await store.authorities.certificatesBySerial("a", "03"), []);
    const fingerprint = hash("sha256", certificate("01").certificate, "hex");
    assert.deepEqual(await store.authorities.certificateByFingerprint("a", fingerprint), certificate("01"));
    assert.equal(await store.authorities.certificateByFingerprint("a", fingerprint.toUpperCase()), undefined);
  });

  storeTest(open, "fail/certificates: the same serial number twice, the same certificate twice", async (store) => {
    await store.commit([store.authorities.insertCertificate(certificate("01"))]);
    const other = certificate("01", { certificate: bytes("other") });
    await rejectsWith("guard-lost", store.commit([store.authorities.insertCertificate(other)]));
    const copy = certificate("02", { certificate: certificate("01").certificate });
    await rejectsWith("guard-lost", store.commit([store.authorities.insertCertificate(copy)]));
    await store.commit([store.authorities.insertCertificate({ ...other, authority: "root" })]);
  });

  storeTest(open, "ok/certificates: those of a device, the latest first", async (store) => {
    const all = [
      certificate("03", { notBefore: 20 }),
      certificate("02"),
      certificate("01"),
      certificate("01", { authority: "alpha", certificate: bytes("alpha") }),
    ];
    await store.commit(all.toReversed().map((each) => store.authorities.insertCertificate(each)));
    await store.commit([store.authorities.insertCertificate(certificate("04", { device: "d2" }))]);
    assert.deepEqual(await listed((page) => store.authorities.certificatesOf("a", "d1", page)), all);
    assert.deepEqual(await listed((page) => store.authorities.certificatesOf("a", "d3", page)), []);
  });

  storeTest(
    open,
    "ok/certificates: those that end first come first, by device, authority, end and revocation",
    async (store) => {
      const all = [
        certificate("03", { notAfter: 20, device: "d2" }),
        certificate("01", { notAfter: 30 }),
        certificate("02", { notAfter: 30, authority: "issuing-2" }),
      ];
      await store.commit(all.toReversed().map((each) => store.authorities.insertCertificate(each)));
      await store.commit([store.authorities.revoke("a", "issuing", "01", 15, "superseded")]);
      const revoked = { ...certificate("01", { notAfter: 30 }), revocation: { at: 15, reason: "superseded" } };
      const list = (filter: CertificateFilter) => listed((page) => store.authorities.certificates("a", filter, page));
      assert.deepEqual(await list({}), [all[0], revoked, all[2]]);
      assert.deepEqual(await list({ revoked: true }), [revoked]);
      assert.deepEqual(await list({ revoked: false, device: "d1" }), [all[2]]);
      assert.deepEqual(await list({ authority: "issuing", endsFrom: 20, endsBefore: 30 }), [all[0]]);
      assert.deepEqual(await list({ endsFrom: 31 }), []);
    },
  );

  storeTest(open, "ok/holders: a device that has renewed does not hold what it had before", async (store) => {
    const renewed = { authority: "issuing-2", notBefore: 15, notAfter: 40 };
    const { device: _, ...alone } = certificate("06", { notAfter: 30 });
    const all = [
      certificate("01", { notAfter: 30 }),
      certificate("02", { notAfter: 30, notBefore: 12 }),
      certificate("03", renewed),
      certificate("04", { device: "d2", notAfter: 30 }),
      certificate("05", { ...renewed, device: "d2" }),
      alone,
      certificate("07", { ...renewed, device: "d3" }),
    ];
    await store.commit(all.map((each) => store.authorities.insertCertificate(each)));
    const { countHolders } = store.authorities;
    assert.deepEqual(await countHolders("a", ["issuing"], 20), { held: 1, all: 4 });
    assert.deepEqual(await countHolders("a", ["issuing", "issuing-2"], 20), { held: 4, all: 4 });
    assert.deepEqual(await countHolders("a", [], 20), { held: 0, all: 4 });
    assert.deepEqual(await countHolders("b", ["issuing"], 20), { held: 0, all: 0 });
    // What replaced it has to be good itself.
    await store.commit([store.authorities.revoke("a", "issuing-2", "05", 20, "superseded")]);
    assert.deepEqual(await countHolders("a", ["issuing"], 20), { held: 2, all: 4 });
    assert.deepEqual(await countHolders("a", ["issuing"], 31), { held: 0, all: 2 });
    assert.deepEqual(await countHolders("a", ["issuing-2"], 41), { held: 0, all: 0 });
  });

  storeTest(open, "ok/holders: a device holds one certificate of each profile, and counts once", async (store) => {
    const all = [
      certificate("01", { notBefore: 10 }),
      certificate("02", { notBefore: 11, profile: "gateways", authority: "issuing-2" }),
      certificate("03", { notBefore: 12, profile: "lamps" }),
    ];
    await store.commit(all.map((each) => store.authorities.insertCertificate(each)));
    assert.deepEqual(await store.authorities.countHolders("a", ["issuing"], 20), { held: 1, all: 1 });
    assert.deepEqual(await store.authorities.replacedAmong("a", all, 20), []);
  });

  storeTest(open, "ok/replaced: those with a newer good one of the same device", async (store) => {
    const first = certificate("01", { notAfter: 30 });
    const second = certificate("02", { notAfter: 40, notBefore: 15 });
    const third = certificate("03", { notAfter: 20, notBefore: 16 });
    const { device: _, ...alone } = certificate("04", { notAfter: 50 });
    const all = [first, second, third, alone];
    await store.commit(all.map((each) => store.authorities.insertCertificate(each)));
    const { replacedAmong } = store.authorities;
    assert.deepEqual(await replacedAmong("a", all, 20), [first, second]);
    assert.deepEqual(await replacedAmong("a", all, 21), [first]);
    assert.deepEqual(await replacedAmong("a", [second, alone], 21), []);
    assert.deepEqual(await replacedAmong("a", [alone], 0), []);
    const list = (filter: CertificateFilter) => listed((page) => store.authorities.certificates("a", filter, page));
    assert.deepEqual(await list({ latestAt: 21 }), [third, second, alone]);
    assert.deepEqual(await list({ latestAt: 20, endsFrom: 20, revoked: false }), [third, alone]);
    await store.commit([store.authorities.revoke("a", "issuing", "03", 15, "superseded")]);
    assert.deepEqual(await replacedAmong("a", all, 20), [first]);
  });

  storeTest(open, "ok/revocation: with time and reason, a hold is lifted again", async (store) => {
    await store.commit(["01", "02"].map((serial) => store.authorities.insertCertificate(certificate(serial))));
    const { revoke, unrevoke } = store.authorities;
    await store.commit([
      revoke("a", "issuing", "02", 15, "certificateHold"),
      revoke("a", "issuing", "01", 16, "keyCompromise"),
    ]);
    const found = await store.authorities.certificate("a", "issuing", "01");
    assert.deepEqual(found?.revocation, { at: 16, reason: "keyCompromise" });
    assert.deepEqual(await listed((page) => store.authorities.revokedOf("a", "issuing", page)), [
      { tenant: "a", serial: "01", at: 16, reason: "keyCompromise", notAfter: 20 },
      { tenant: "a", serial: "02", at: 15, reason: "certificateHold", notAfter: 20 },
    ]);
    await store.commit([unrevoke("a", "issuing", "02")]);
    assert.deepEqual(await store.authorities.certificate("a", "issuing", "02"), certificate("02"));
    assert.deepEqual((await store.authorities.revokedOf("a", "issuing", { limit: 9 })).items.length, 1);
  });

  storeTest(
    open,
    "fail/revocation: twice, of what was never issued, lifted for another reason than a hold",
    async (store) => {
      await store.commit(["01", "02"].map((serial) => store.authorities.insertCertificate(certificate(serial))));
      const { revoke, unrevoke } = store.authorities;
      await store.commit([revoke("a", "issuing", "01", 15, "keyCompromise")]);
      await rejectsWith("guard-lost", store.commit([revoke("a", "issuing", "01", 16, "superseded")]));
      await rejectsWith("guard-lost", store.commit([revoke("a", "issuing", "03", 16, "superseded")]));
      await rejectsWith("guard-lost", store.commit([revoke("a", "issuing-2", "02", 16, "superseded")]));
      for (const serial of ["01", "02"])
        await rejectsWith("guard-lost", store.commit([unrevoke("a", "issuing", serial)]));
      const found = await store.authorities.certificate("a", "issuing", "01");
      assert.deepEqual(found?.revocation, { at: 15, reason: "keyCompromise" });
    },
  );

  storeTest(
    open,
    "ok/revocation: a compromised key is known by any certificate that it was revoked with",
    async (store) => {
      const { revoke, compromised, insertCertificate } = store.authorities;
      await store.commit(["01", "02", "03"].map((serial) => insertCertificate(certificate(serial))));
      assert.equal(await compromised("a", "k1"), undefined);
      await store.commit([
        revoke("a", "issuing", "01", 15, "keyCompromise", "k1"),
        revoke("a", "issuing", "02", 15, "keyCompromise", "k1"),
        revoke("a", "issuing", "03", 15, "superseded"),
      ]);
      assert.deepEqual((await compromised("a", "k1"))?.revocation, { at: 15, reason: "keyCompromise" });
      assert.equal(await compromised("a", "k2"), undefined);
      assert.equal(await compromised("b", "k1"), undefined);
    },
  );

  storeTest(open, "ok/revocation: what goes on while a certificate is good changes nothing of it", async (store) => {
    await store.commit([store.authorities.insertCertificate(certificate("01"))]);
    await store.commit([store.authorities.requireGood("a", "issuing", "01")]);
    assert.deepEqual(await store.authorities.certificate("a", "issuing", "01"), certificate("01"));
    assert.equal(await store.authorities.revocationChanges("a", "issuing"), 0);
  });

  storeTest(open, "fail/revocation: what goes on while a certificate is good ends with it", async (store) => {
    const { revoke, unrevoke, requireGood, insertCertificate } = store.authorities;
    await store.commit([insertCertificate(certificate("01"))]);
    await store.commit([revoke("a", "issuing", "01", 15, "certificateHold")]);
    const granting = () => store.commit([insertCertificate(certificate("02")), requireGood("a", "issuing", "01")]);
    await rejectsWith("guard-lost", granting());
    assert.equal(await store.authorities.certificate("a", "issuing", "02"), undefined);
    await rejectsWith("guard-lost", store.commit([requireGood("a", "issuing", "03")]));
    await store.commit([unrevoke("a", "issuing", "01")]);
    await granting();
  });

  storeTest(open, "ok/revocation: each change is counted, and none that was lost", async (store) => {
    const { revoke, unrevoke, revocationChanges } = store.authorities;
    await store.commit(["01", "02"].map((serial) => store.authorities.insertCertificate(certificate(serial))));
    assert.equal(await revocationChanges("a", "issuing"), 0);
    await store.commit([
      revoke("a", "issuing", "01", 15, "certificateHold"),
      revoke("a", "issuing", "02", 15, "superseded"),
    ]);
    assert.equal(await revocationChanges("a", "issuing"), 2);
    await rejectsWith("guard-lost", store.commit([revoke("a", "issuing", "02", 16, "superseded")]));
    await store.commit([unrevoke("a", "issuing", "01")]);
    assert.equal(await revocationChanges("a", "issuing"), 3);
    assert.equal(await revocationChanges("a", "issuing-2"), 0);
  });

  storeTest(open, "ok/CRLs: the one with the highest number is the latest", async (store) => {
    assert.equal(await store.authorities.latestCrl("a", "issuing"), undefined);
    for (const number of [9, 10]) await store.commit([store.authorities.saveCrl(crl(number))]);
    await store.commit([store.authorities.saveCrl(crl(11, { authority: "issuing-2", changes: 3 }))]);
    assert.deepEqual(await store.authorities.latestCrl("a", "issuing"), crl(10));
    assert.deepEqual(
      await store.authorities.latestCrl("a", "issuing-2"),
      crl(11, { authority: "issuing-2", changes: 3 }),
    );
    await store.commit([store.authorities.saveCrl(crl(11))]);
    // Number 9 is not kept any more.
    await store.commit([store.authorities.saveCrl(crl(9))]);
    assert.deepEqual(await store.authorities.latestCrl("a", "issuing"), crl(11));
  });

  storeTest(open, "fail/CRLs: the same number twice", async (store) => {
    await store.commit([store.authorities.saveCrl(crl(1))]);
    await rejectsWith("guard-lost", store.commit([store.authorities.saveCrl(crl(1, { der: bytes("other") }))]));
    assert.deepEqual(await store.authorities.latestCrl("a", "issuing"), crl(1));
  });

  storeTest(open, "ok/profiles: put, found by name and by label, replaced, removed", async (store) => {
    const { protocol: _, label: __, ...plain } = profile("device", { settings: { keys: ["P-256"] } });
    await store.commit([store.profiles.put(profile("lamps")), store.profiles.put(plain)]);
    assert.deepEqual(await store.profiles.find("a", "device"), plain);
    assert.deepEqual(await store.profiles.findByLabel("a", "est", "label-lamps"), profile("lamps"));
    assert.equal(await store.profiles.findByLabel("a", "brski", "label-lamps"), undefined);
    assert.deepEqual(await listed((page) => store.profiles.list("a", page)), [plain, profile("lamps")]);
    const moved = profile("lamps", { label: "light", settings: { lifetime: 2 } });
    await store.commit([store.profiles.put(moved)]);
    assert.deepEqual(await store.profiles.find("a", "lamps"), moved);
    await store.commit([store.profiles.remove("a", "lamps")]);
    assert.equal(await store.profiles.find("a", "lamps"), undefined);
  });

  storeTest(open, "fail/profiles: a label that another one has, one that is not there", async (store) => {
    await store.commit([store.profiles.put(profile("lamps"))]);
    await rejectsWith("guard-lost", store.commit([store.profiles.put(profile("other", { label: "label-lamps" }))]));
    await rejectsWith("guard-lost", store.commit([store.profiles.remove("a", "other")]));
  });
}
