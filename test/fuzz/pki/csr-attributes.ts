import assert from "node:assert/strict";
import { equal, fromHex } from "../../../src/core/bytes.ts";
import * as der from "../../../src/encoding/der-writer.ts";
import { encodeCsrAttrs, parseCsrAttrs } from "../../../src/pki/csr-attributes.ts";
import { attributesFor, requirementsOf, templateFor } from "../../../src/pki/csr-attributes-requirements.ts";
import { PkiError } from "../../../src/pki/errors.ts";
import { attributeTypes, curves, extensionTypes, keyTypes } from "../../../src/pki/oids.ts";
import { encodeKeyUsage, encodeSubjectAltName } from "../../../src/pki/standard-extensions.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";

/** Lists of CSR attributes in both forms (RFC 7030 4.5.2, RFC 9908). */
export function csrAttributesTargets(): readonly Target[] {
  const requirements = {
    challengePassword: true,
    keys: [{ algorithm: keyTypes.rsaEncryption, bits: 3072 }],
    signatureAlgorithms: [],
    subject: [
      [{ type: attributeTypes.organizationName, value: der.utf8String("Acme") }],
      [{ type: attributeTypes.serialNumber }],
    ],
    extensions: [
      encodeKeyUsage(["digitalSignature"]),
      encodeSubjectAltName([{ kind: "iPAddress", address: new Uint8Array() }]),
      { type: extensionTypes.extKeyUsage, critical: false },
    ],
  };
  const onCurve = { ...requirements, keys: [{ algorithm: keyTypes.ecPublicKey, curve: curves["P-384"] }] };
  const samples = {
    "RFC 7030 4.5.2": fromHex(
      "304106092a864886f70d010907301206072a8648ce3d0201310706052b81040022301606092a864886f70d01090e310906072b06010101011606082a8648ce3d040303",
    ) as Uint8Array,
    attributes: encodeCsrAttrs(attributesFor(requirements)),
    template: encodeCsrAttrs([templateFor(onCurve)]),
    both: encodeCsrAttrs([...attributesFor(requirements), templateFor(requirements)]),
  };
  return targetsOf("CSR attributes", samples, answer, "der");
}

function answer(input: Uint8Array): boolean {
  return readsOrRefuses([PkiError], () => {
    const elements = parseCsrAttrs(input);
    assert.ok(elements.length <= 128);
    const written = encodeCsrAttrs(elements);
    assert.ok(equal(encodeCsrAttrs(parseCsrAttrs(written)), written), "what was read is written otherwise");
    const found = requirementsOf(elements);
    // What was understood can be said again, in the form that can say all of it.
    const { signatureAlgorithms: _, ...said } = requirementsOf([templateFor(found)]);
    assert.equal(said.challengePassword, found.challengePassword);
    assert.equal(said.extensions.length, found.extensions.length);
  });
}
