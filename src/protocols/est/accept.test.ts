import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptAuthorities, acceptCertificate } from "./accept.ts";
import { certify, commonName, day, newAuthority, newKey, now } from "./fixtures.test-support.ts";

async function house() {
  const root = await newAuthority("root");
  const issuing = await newAuthority("issuing", root);
  const key = newKey();
  const certificate = await certify([commonName("SN-1")], key.signer, issuing);
  const published = [root.certificate, issuing.certificate];
  return { root, issuing, key, certificate, published, ca: { authorities: published, anchors: [root.certificate] } };
}

test("ok/cacerts: what leads to the explicit anchor, the root first", async () => {
  const { root, issuing } = await house();
  const accepted = acceptAuthorities([issuing.certificate, root.certificate], [root.certificate.raw], now);
  assert.deepEqual(accepted, {
    authorities: [root.certificate, issuing.certificate],
    anchors: [root.certificate],
    signaturesVerified: 1,
  });
});

test("ok/anchors: an answer without the root takes it from nobody, and makes no anchor of the issuing CA", async () => {
  const { root, issuing } = await house();
  const { authorities, anchors } = acceptAuthorities([issuing.certificate], [root.certificate.raw], now);
  assert.deepEqual([authorities, anchors], [[issuing.certificate], [root.certificate]]);
});

test("ok/anchors: a CA that was given as one stays one; what has expired goes, and what other roots have followed", async () => {
  const { root, issuing } = await house();
  const given = acceptAuthorities([issuing.certificate], [issuing.certificate.raw], now);
  assert.deepEqual(given.anchors, [issuing.certificate]);
  const old = await certify([commonName("old")], newKey().signer, undefined, { cA: true, notAfter: now - 1 });
  const former = await newAuthority("former");
  for (const [published, before] of [
    [issuing, old],
    [root, former.certificate],
  ] as const) {
    const known = [before.raw, root.certificate.raw];
    const { anchors } = acceptAuthorities([published.certificate], known, now);
    assert.deepEqual(anchors, [root.certificate]);
  }
});

test("fail/cacerts: a root by the issuing CA's key, after an answer that left the root out", async () => {
  const { root, issuing } = await house();
  const { anchors } = acceptAuthorities([issuing.certificate], [root.certificate.raw], now);
  for (const name of ["issuing", "another root"]) {
    const rogue = await newAuthority(name);
    const cross = await certify([commonName(name)], rogue.signer, issuing, { cA: true });
    const published = [rogue.certificate, issuing.certificate, cross];
    assert.throws(
      () =>
        acceptAuthorities(
          published,
          anchors.map(({ raw }) => raw),
          now,
        ),
      { code: "anchors-not-confirmed" },
    );
  }
});

test("ok/cacerts: a root that an anchor has certified, and what only the new root vouches for", async () => {
  const { root } = await house();
  const brought = await newAuthority("brought along");
  const policy = await newAuthority("policy", brought);
  const cross = await certify([commonName("brought along")], brought.signer, root, { cA: true });
  const published = [policy.certificate, cross, brought.certificate];
  const { authorities } = acceptAuthorities(published, [root.certificate.raw], now);
  assert.deepEqual(authorities, [brought.certificate, policy.certificate, cross]);
});

test("ok/cacerts: a cross certificate by a root that is not known here says nothing new", async () => {
  const { root } = await house();
  const brought = await newAuthority("brought along");
  const cross = await certify([commonName("brought along")], brought.signer, root, { cA: true });
  const { authorities } = acceptAuthorities([brought.certificate, cross], [brought.certificate.raw], now);
  assert.deepEqual(authorities, [brought.certificate]);
});

test("fail/cacerts: a CA by a root that is not known here, of a trusted one's name or of its key", async () => {
  const { root } = await house();
  const brought = await newAuthority("brought along");
  for (const other of [
    await certify([commonName("brought along")], newKey().signer, root, { cA: true }),
    await certify([commonName("another name")], brought.signer, root, { cA: true }),
  ])
    assert.throws(() => acceptAuthorities([brought.certificate, other], [brought.certificate.raw], now), {
      code: "anchors-not-confirmed",
    });
});

test("ok/cacerts: a root that rolled over twice while the device slept, each vouched for by the one before", async () => {
  const named = [commonName("root")];
  const roots = [await newAuthority("root"), await newAuthority("root"), await newAuthority("root")] as const;
  const [first, second, third] = roots;
  const newWithOld = await Promise.all([
    certify(named, third.signer, second, { cA: true }),
    certify(named, second.signer, first, { cA: true, pathLenConstraint: 0 }),
  ]);
  const published = [third.certificate, ...newWithOld, second.certificate, first.certificate];
  const { authorities } = acceptAuthorities(published, [first.certificate.raw], now);
  assert.deepEqual(authorities, [third.certificate, second.certificate, first.certificate, ...newWithOld]);
});

test("ok/cacerts: a CA that an anchor has certified for devices alone is followed through that, and is no root", async () => {
  const { root } = await house();
  const brought = await newAuthority("brought along");
  const cross = await certify([commonName("brought along")], brought.signer, root, { cA: true, pathLenConstraint: 0 });
  const { authorities } = acceptAuthorities([brought.certificate, cross], [root.certificate.raw], now);
  assert.deepEqual(authorities, [cross]);
});

test("fail/cacerts: a root by the issuing CA's key, although a self-issued certificate fits below its path length", async () => {
  const { root } = await house();
  const named = [commonName("issuing")];
  const { signer } = newKey();
  const issuing = {
    signer,
    certificate: await certify(named, signer, root, { cA: true, pathLenConstraint: 0 }),
  };
  const rogue = await newAuthority("issuing");
  const cross = await certify(named, rogue.signer, issuing, { cA: true });
  const itself = await certify(named, signer, undefined, { cA: true });
  const known = [root.certificate, issuing.certificate];
  for (const published of [
    [...known, cross, rogue.certificate],
    [...known, itself, cross, rogue.certificate],
  ])
    assert.throws(() => acceptAuthorities(published, [root.certificate.raw], now), { code: "anchors-not-confirmed" });
  const { authorities } = acceptAuthorities([...known, itself], [root.certificate.raw], now);
  assert.deepEqual(authorities, known);
});

test("fail/cacerts: a root that no anchor vouches for, a stranger's CA, a device's certificate, nothing", async () => {
  const { root, issuing, certificate } = await house();
  const stranger = await newAuthority("stranger");
  for (const published of [
    [stranger.certificate],
    [root.certificate, stranger.certificate],
    [root.certificate, issuing.certificate, certificate],
    [],
  ]) {
    assert.throws(() => acceptAuthorities(published, [root.certificate.raw], now), {
      name: "EstFailed",
      code: "anchors-not-confirmed",
    });
  }
});

test("ok/certificate: found by its key among several, with its chain", async () => {
  const { root, issuing, key, certificate, ca } = await house();
  const accepted = acceptCertificate([issuing.certificate, certificate, root.certificate], key, ca, now);
  assert.deepEqual(accepted, { certificate, chain: [issuing.certificate], signaturesVerified: 2 });
});

test("fail/certificate: for another key", async () => {
  const { certificate, ca } = await house();
  assert.throws(() => acceptCertificate([certificate], newKey(), ca, now), { code: "certificate-not-ours" });
});

test("fail/certificate: not valid now", async () => {
  const { key, certificate, ca } = await house();
  for (const at of [now - 10 * day, now + 400 * day]) {
    assert.throws(() => acceptCertificate([certificate], key, ca, at), { code: "certificate-not-current" });
  }
});

test("fail/certificate: of another CA, even one that the server sent along", async () => {
  const { ca } = await house();
  const stranger = await newAuthority("stranger");
  const key = newKey();
  const certificate = await certify([commonName("SN-1")], key.signer, stranger);
  assert.throws(() => acceptCertificate([certificate, stranger.certificate], key, ca, now), {
    code: "certificate-not-trusted",
  });
});
