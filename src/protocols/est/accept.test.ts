import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptAuthorities, acceptCertificate } from "./accept.ts";
import { certify, commonName, day, newAuthority, newKey, now } from "./fixtures.test-support.ts";

async function house() {
  const root = await newAuthority("root");
  const issuing = await newAuthority("issuing", root);
  const key = newKey();
  const certificate = await certify([commonName("SN-1")], key.signer, issuing);
  return { root, issuing, key, certificate, published: [root.certificate, issuing.certificate] };
}

test("ok/cacerts: what leads to the explicit anchor, the root first", async () => {
  const { root, issuing } = await house();
  const accepted = acceptAuthorities([issuing.certificate, root.certificate], [root.certificate.raw], now);
  assert.deepEqual(accepted, { authorities: [root.certificate, issuing.certificate], signaturesVerified: 1 });
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
  const { root, issuing, key, certificate, published } = await house();
  const accepted = acceptCertificate([issuing.certificate, certificate, root.certificate], key, published, now);
  assert.deepEqual(accepted, { certificate, chain: [issuing.certificate], signaturesVerified: 2 });
});

test("fail/certificate: for another key", async () => {
  const { certificate, published } = await house();
  assert.throws(() => acceptCertificate([certificate], newKey(), published, now), { code: "certificate-not-ours" });
});

test("fail/certificate: not valid now", async () => {
  const { key, certificate, published } = await house();
  for (const at of [now - 10 * day, now + 400 * day]) {
    assert.throws(() => acceptCertificate([certificate], key, published, at), { code: "certificate-not-current" });
  }
});

test("fail/certificate: of another CA, even one that the server sent along", async () => {
  const { published } = await house();
  const stranger = await newAuthority("stranger");
  const key = newKey();
  const certificate = await certify([commonName("SN-1")], key.signer, stranger);
  assert.throws(() => acceptCertificate([certificate, stranger.certificate], key, published, now), {
    code: "certificate-not-trusted",
  });
});
