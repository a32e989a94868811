import assert from "node:assert/strict";
import { hash } from "node:crypto";
import {
  authority,
  bytes,
  certificate,
  listed,
  type Open,
  rejectsWith,
  sealedKey,
  storeTest,
} from "./fixtures.test-suite.ts";

/** Sealed keys, authorities and the certificates that they issued. */
export function authoritiesConformance(open: Open): void {
  storeTest(open, "ok/keys: added, found, sealed anew", async (store) => {
    const key = sealedKey("root-key");
    await store.commit([store.authorities.addKey(key)]);
    assert.deepEqual(await store.authorities.key("a", "root-key"), key);
    assert.equal(await store.authorities.key("a", "issuing-key"), undefined);
    await store.commit([store.authorities.resealKey(key, bytes("anew"))]);
    assert.deepEqual(await store.authorities.key("a", "root-key"), { ...key, sealed: bytes("anew") });
  });

  storeTest(open, "fail/keys: added twice, sealed anew twice", async (store) => {
    const key = sealedKey("root-key");
    await store.commit([store.authorities.addKey(key)]);
    await rejectsWith("guard-lost", store.commit([store.authorities.addKey({ ...key, sealed: bytes("other") })]));
    await store.commit([store.authorities.resealKey(key, bytes("anew"))]);
    await rejectsWith("guard-lost", store.commit([store.authorities.resealKey(key, bytes("late"))]));
    assert.deepEqual((await store.authorities.key("a", "root-key"))?.sealed, bytes("anew"));
  });

  storeTest(open, "ok/authorities: listed by name", async (store) => {
    await store.commit([store.authorities.insert(authority("root")), store.authorities.insert(authority("issuing"))]);
    assert.deepEqual(await listed((page) => store.authorities.list("a", page)), [
      authority("issuing"),
      authority("root"),
    ]);
  });

  storeTest(open, "fail/authorities: the same name twice", async (store) => {
    await store.commit([store.authorities.insert(authority("root"))]);
    await rejectsWith("guard-lost", store.commit([store.authorities.insert(authority("root"))]));
  });

  storeTest(open, "ok/certificates: found by serial number and by fingerprint", async (store) => {
    const { device: _, run: __, ...ofTheService } = certificate("02");
    await store.commit([
      store.authorities.insertCertificate(certificate("01")),
      store.authorities.insertCertificate(ofTheService),
    ]);
    assert.deepEqual(await store.authorities.certificate("a", "issuing", "01"), certificate("01"));
    assert.deepEqual(await store.authorities.certificate("a", "issuing", "02"), ofTheService);
    assert.equal(await store.authorities.certificate("a", "root", "01"), undefined);
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
}
