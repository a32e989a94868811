import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeName } from "../../pki/name.ts";
import { keyPurposes } from "../../pki/oids.ts";
import { encodeBasicConstraints, encodeExtKeyUsage, encodeKeyUsage } from "../../pki/standard-extensions.ts";
import { unusualWishes } from "./device-wishes.ts";
import { commonName } from "./fixtures.test-support.ts";

const own = encodeName([commonName("lamp")]);

test("ok/what a device asks for of itself is not unusual", () => {
  const extensions = [encodeKeyUsage(["digitalSignature"]), encodeExtKeyUsage([keyPurposes.clientAuth])];
  assert.deepEqual(unusualWishes({ subject: own, extensions }, { subject: own }), []);
});

test("ok/another name, a CA's rights and a registration authority's are told", () => {
  const extensions = [
    encodeBasicConstraints({ cA: true }),
    encodeKeyUsage(["keyCertSign"]),
    encodeExtKeyUsage([keyPurposes.cmcRA]),
  ];
  const wishes = unusualWishes({ subject: encodeName([commonName("door")]), extensions }, { subject: own });
  for (const [index, text] of [/common name/, /of a CA$/, /sign certificates/, /registration authority/].entries())
    assert.match(wishes[index] ?? "", text);
  assert.equal(wishes.length, 4);
});

test("ok/an extension that cannot be read is passed over", () => {
  const [extension] = [encodeBasicConstraints({ cA: true })].map((each) => ({ ...each, value: Uint8Array.of(4) }));
  assert.ok(extension);
  assert.deepEqual(unusualWishes({ subject: own, extensions: [extension] }, { subject: own }), []);
});
