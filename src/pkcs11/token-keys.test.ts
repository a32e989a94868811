import assert from "node:assert/strict";
import { test } from "node:test";
import { tokenKeys } from "./token-keys.ts";

// Tokens that are there are tested with SoftHSM, in interop/softhsm.interop.ts.

test("fail/token keys: a module that is not there, asked for more than once", async () => {
  const keys = tokenKeys({ module: "/nowhere/libpkcs11.so", token: "ca", pin: "4711" });
  for (let round = 0; round < 2; round += 1)
    await assert.rejects(keys.signer("pkcs11:token=ca;object=issuing"), {
      code: "hsm-module",
      message: /\/nowhere\/libpkcs11\.so cannot be used/,
    });
  await assert.rejects(keys.generate("issuing", Uint8Array.of(1), "P-256"), { code: "hsm-module" });
  await assert.rejects(keys.check(), { code: "hsm-module" });
  assert.equal(keys.pid(), undefined, "no process is left");
  await keys.close();
  await assert.rejects(keys.signer("pkcs11:token=ca;object=issuing"), { code: "hsm-closed" });
});

test("fail/token keys: a library that is none of PKCS#11", async () => {
  // The program itself: it is there on every machine, and no library.
  const keys = tokenKeys({ module: process.execPath, token: "ca", pin: "4711" });
  await assert.rejects(keys.signer("pkcs11:token=ca;object=issuing"), { code: "hsm-module" });
  await keys.close();
});

test("fail/token keys: a reference that is no URI, and one into another token, start no process", async () => {
  const keys = tokenKeys({ module: "/nowhere/libpkcs11.so", token: "ca", pin: "4711" });
  await assert.rejects(keys.signer("issuing-1"), { code: "hsm-uri" });
  await assert.rejects(keys.signer("pkcs11:token=other;object=issuing"), {
    code: "hsm-token-missing",
    message: /token other, and the service has the token ca/,
  });
  assert.equal(keys.pid(), undefined);
  await keys.close();
});
