import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { equal, hex, utf8 } from "../core/bytes.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import { tags } from "../encoding/tags.ts";
import { parseCertificate } from "./certificate.ts";
import { parseCertificateList, revocationOf, verifyCertificateList } from "./crl.ts";
import { buildCertificateList, type CertificateListContent } from "./crl-build.ts";
import type { Revocation } from "./crl-entries.ts";
import { CrlError, type CrlErrorCode } from "./crl-errors.ts";
import { type Extension, encodeExtensions } from "./extensions.ts";
import { buildCertificate } from "./issue.ts";
import { encodeName } from "./name.ts";
import { attributeTypes } from "./oids.ts";
import { encodeBasicConstraints, encodeKeyUsage, type KeyUsage } from "./standard-extensions.ts";

const day = 86_400_000;
const thisUpdate = Date.UTC(2026, 5, 1);
const signer = signerOf(generateKey("P-256"));
const issuer = encodeName([{ type: attributeTypes.commonName, value: "Issuing" }]);
const keyIdentifier = Uint8Array.of(1, 2, 3);

const revoked: readonly Revocation[] = [
  { serialNumber: Uint8Array.of(7), revocationDate: thisUpdate - day },
  {
    serialNumber: Uint8Array.of(0, 0xff, 1),
    revocationDate: Date.UTC(2051, 0, 1),
    reason: "keyCompromise",
    invalidityDate: Date.UTC(1999, 11, 31, 23, 59, 59),
  },
  {
    serialNumber: Uint8Array.of(0x10, ...new Array(19).fill(9)),
    revocationDate: thisUpdate,
    reason: "aACompromise",
    invalidityDate: Date.UTC(2060, 0, 1),
  },
];

const content: CertificateListContent = {
  issuer,
  authorityKeyIdentifier: keyIdentifier,
  thisUpdate,
  nextUpdate: thisUpdate + 7 * day,
  cRLNumber: Uint8Array.of(0x80),
  revokedCertificates: revoked,
  signer,
};

const list = await buildCertificateList(content);

async function issuerWith(usages: readonly KeyUsage[], subject = issuer, key = signer) {
  return parseCertificate(
    await buildCertificate({
      serialNumber: Uint8Array.of(1),
      issuer: subject,
      subject,
      publicKey: key.publicKey,
      notBefore: thisUpdate,
      notAfter: thisUpdate + day,
      extensions: [encodeBasicConstraints({ cA: true }), ...(usages.length > 0 ? [encodeKeyUsage(usages)] : [])],
      signer: key,
    }),
  );
}

const fields = {
  version: der.integer(1),
  signature: signer.algorithm,
  issuer,
  thisUpdate: der.time(thisUpdate),
  nextUpdate: der.time(thisUpdate + day),
  revokedCertificates: der.sequence([entryOf()]),
  crlExtensions: extensionsOf(),
};

function entryOf(...extensions: readonly Extension[]): Uint8Array {
  const list = extensions.length > 0 ? [encodeExtensions(extensions)] : [];
  return der.sequence([der.integer(5), der.time(thisUpdate), ...list]);
}

function extensionsOf(...extensions: readonly Extension[]): Uint8Array {
  return der.explicit(0, encodeExtensions(extensions));
}

/** A list that is signed by nobody. */
function listOf(changes: Partial<typeof fields>, algorithm = signer.algorithm): Uint8Array {
  const tbsCertList = der.sequence(Object.values({ ...fields, ...changes }));
  return der.sequence([tbsCertList, algorithm, der.bitString(Uint8Array.of(1))]);
}

const none = new Uint8Array();
const extension = (type: string, value: Uint8Array, critical = false): Extension => ({ type, critical, value });
const reason = (value: number) => extension("2.5.29.21", Uint8Array.of(0x0a, 1, value));

function refuses(code: CrlErrorCode, bytes: Uint8Array, name: string): void {
  assert.throws(
    () => parseCertificateList(bytes),
    (error) => error instanceof CrlError && error.code === code,
    `${name} must be refused as ${code}`,
  );
}

test("ok/what is built is read back, found and verified", async () => {
  const parsed = parseCertificateList(list);
  assert.deepEqual([parsed.version, parsed.thisUpdate, parsed.nextUpdate], [2, thisUpdate, thisUpdate + 7 * day]);
  assert.equal(hex(parsed.cRLNumber ?? none), "0080");
  assert.ok(equal(parsed.issuer.raw, issuer));
  const plain = (entry: Revocation | undefined) => ({ ...entry, serialNumber: hex(entry?.serialNumber ?? none) });
  assert.deepEqual([...parsed.revokedCertificates].map(plain), revoked.map(plain));
  assert.equal(parsed.revokedCertificates.count, 3);
  for (const entry of revoked) assert.deepEqual(plain(revocationOf(parsed, entry.serialNumber)), plain(entry));
  for (const serialNumber of [[8], [0xff, 1], [0, 0xff], [], [7, 0]])
    assert.equal(revocationOf(parsed, Uint8Array.from(serialNumber)), undefined);
  for (const usages of [[], ["cRLSign"], ["keyCertSign", "cRLSign"]] as const)
    verifyCertificateList(parsed, await issuerWith(usages));
});

test("ok/a list without entries has no empty SEQUENCE, and one that is written is read", async () => {
  const empty = parseCertificateList(await buildCertificateList({ ...content, revokedCertificates: [] }));
  assert.equal(empty.revokedCertificates.count, 0);
  assert.equal(revocationOf(empty, Uint8Array.of(7)), undefined);
  assert.equal(hex(empty.tbsCertList).includes("3000"), false);
  assert.equal(parseCertificateList(listOf({ revokedCertificates: der.sequence([]) })).revokedCertificates.count, 0);
});

test("ok/lists that other writers make", () => {
  const first = parseCertificateList(listOf({ version: none, crlExtensions: none, nextUpdate: none }));
  assert.deepEqual([first.version, first.nextUpdate, first.cRLNumber], [1, undefined, undefined]);
  // An extension that is not critical is passed over, in the list and in an entry.
  const other = extension("1.3.6.1.4.1.99999.1", der.nullValue());
  const changes = {
    revokedCertificates: der.sequence([entryOf(other, reason(0)), entryOf(reason(1))]),
    crlExtensions: extensionsOf(other),
  };
  const entries = [...parseCertificateList(listOf(changes)).revokedCertificates];
  assert.deepEqual(
    entries.map((entry) => entry.reason),
    ["unspecified", "keyCompromise"],
  );
  // Of a serial number that occurs twice the first entry counts.
  const doubled = parseCertificateList(listOf(changes));
  assert.equal(revocationOf(doubled, Uint8Array.of(5))?.reason, "unspecified");
  // A CA can revoke what it should not have issued.
  const odd = der.sequence([der.element(tags.integer, Uint8Array.of(0xff)), der.time(thisUpdate)]);
  const negative = parseCertificateList(listOf({ revokedCertificates: der.sequence([odd]) }));
  assert.equal(revocationOf(negative, Uint8Array.of(0xff))?.revocationDate, thisUpdate);
});

test("ok/every serial number is found, and no other, whatever the order and the lengths", () => {
  const serial = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => hex(der.unsignedInteger(bytes)).slice(4));
  fc.assert(
    fc.property(fc.array(serial, { maxLength: 60 }), fc.array(serial, { maxLength: 20 }), (listed, asked) => {
      const entries = listed.map((text, i) =>
        der.sequence([der.element(tags.integer, Buffer.from(text, "hex")), der.time(thisUpdate + i * 1000)]),
      );
      const parsed = parseCertificateList(listOf({ revokedCertificates: der.sequence(entries) }));
      for (const text of [...listed, ...asked]) {
        const found = revocationOf(parsed, Buffer.from(text, "hex"));
        const first = listed.indexOf(text);
        assert.equal(found?.revocationDate, first === -1 ? undefined : thisUpdate + first * 1000);
      }
    }),
    { seed: 5280, numRuns: 200 },
  );
});

test("ok/a million entries are parsed and searched in bounded memory", () => {
  const count = 1_000_000;
  const entry = Buffer.from(der.sequence([der.unsignedInteger(new Uint8Array(16).fill(1)), der.time(thisUpdate)]));
  const entries = Buffer.alloc(count * entry.length, entry);
  for (let i = 0; i < count; i += 1) entries.writeUInt32BE(i, i * entry.length + 8);
  const bytes = listOf({ revokedCertificates: der.element(tags.sequence, entries) });
  const parsed = parseCertificateList(bytes);
  assert.equal(parsed.revokedCertificates.count, count);
  for (const i of [0, 1, 123_456, count - 1, count]) {
    const serialNumber: Buffer = Buffer.from(entry.subarray(4, 20));
    serialNumber.writeUInt32BE(i, 4);
    assert.equal(revocationOf(parsed, serialNumber) !== undefined, i < count, String(i));
  }
});

test("fail/a list that is a part, or says what is not understood", () => {
  const critical = extension("1.3.6.1.4.1.99999.1", der.nullValue(), true);
  const cases: readonly (readonly [CrlErrorCode, string, Uint8Array])[] = [
    ["critical-extension", "of the list", listOf({ crlExtensions: extensionsOf(critical) })],
    ["critical-extension", "of an entry", listOf({ revokedCertificates: der.sequence([entryOf(critical)]) })],
    [
      "critical-extension",
      "of a later entry",
      listOf({ revokedCertificates: der.sequence([entryOf(reason(1)), entryOf(reason(1)), entryOf(critical)]) }),
    ],
    ["partial-crl", "delta", listOf({ crlExtensions: extensionsOf(extension("2.5.29.27", der.integer(1), true)) })],
    [
      "partial-crl",
      "issuingDistributionPoint",
      listOf({ crlExtensions: extensionsOf(extension("2.5.29.28", der.sequence([]), true)) }),
    ],
    [
      "partial-crl",
      "issuingDistributionPoint that is not critical",
      listOf({ crlExtensions: extensionsOf(extension("2.5.29.28", der.sequence([]))) }),
    ],
    [
      "partial-crl",
      "certificateIssuer",
      listOf({ revokedCertificates: der.sequence([entryOf(extension("2.5.29.29", der.sequence([]), true))]) }),
    ],
    ["partial-crl", "removeFromCRL", listOf({ revokedCertificates: der.sequence([entryOf(reason(8))]) })],
  ];
  for (const [code, name, bytes] of cases) refuses(code, bytes, name);
});

test("fail/malformed lists", () => {
  const entries = (...parts: readonly Uint8Array[]) => listOf({ revokedCertificates: der.sequence(parts) });
  const cases: Readonly<Record<string, Uint8Array>> = {
    empty: none,
    "a certificate": der.sequence([der.sequence([der.integer(2)]), signer.algorithm, der.bitString(none)]),
    "version 1 that is written": listOf({ version: der.integer(0) }),
    "version 3": listOf({ version: der.integer(2) }),
    "no signature algorithm": listOf({ signature: none }),
    "another signature algorithm outside": listOf({}, der.sequence([der.objectIdentifier("1.3.101.112")])),
    "no issuer": listOf({ issuer: none }),
    "no thisUpdate": listOf({ thisUpdate: none, nextUpdate: none }),
    "a date that does not exist": listOf({ nextUpdate: der.element(tags.utcTime, utf8("260230000000Z")) }),
    "extensions in version 1": listOf({ version: none }),
    "a doubled extension": listOf({
      crlExtensions: der.explicit(
        0,
        der.sequence(
          [1, 2].map((number) =>
            der.sequence([der.objectIdentifier("2.5.29.20"), der.octetString(der.integer(number))]),
          ),
        ),
      ),
    }),
    "a negative cRLNumber": listOf({ crlExtensions: extensionsOf(extension("2.5.29.20", Uint8Array.of(2, 1, 0xff))) }),
    "a cRLNumber of 21 octets": listOf({
      crlExtensions: extensionsOf(extension("2.5.29.20", der.unsignedInteger(new Uint8Array(21).fill(1)))),
    }),
    "something behind the extensions": listOf({ crlExtensions: Buffer.concat([extensionsOf(), der.nullValue()]) }),
    "something behind the list": Buffer.concat([list, der.nullValue()]),
    "an entry without a date": entries(der.sequence([der.integer(5)])),
    "an entry without a serial number": entries(der.sequence([der.time(thisUpdate)])),
    "an entry that is no SEQUENCE": entries(der.setOf([der.integer(5), der.time(thisUpdate)])),
    "an entry with more": entries(
      der.sequence([der.integer(5), der.time(thisUpdate), der.sequence([]), der.integer(1)]),
    ),
    "an entry with a wrong date": entries(
      der.sequence([der.integer(5), der.element(tags.utcTime, utf8("2602010000Z"))]),
    ),
    "a serial number of 21 octets": entries(
      der.sequence([der.unsignedInteger(new Uint8Array(21).fill(1)), der.time(thisUpdate)]),
    ),
    "a serial number with a spare octet": entries(
      der.sequence([der.element(tags.integer, Uint8Array.of(0, 1)), der.time(thisUpdate)]),
    ),
    "reason 7": entries(entryOf(reason(7))),
    "reason 11": entries(entryOf(reason(11))),
    "a reason that is an INTEGER": entries(entryOf(extension("2.5.29.21", der.integer(1)))),
    "an invalidityDate in UTCTime": entries(entryOf(extension("2.5.29.24", der.time(thisUpdate)))),
  };
  for (const [name, bytes] of Object.entries(cases)) refuses("malformed-crl", bytes, name);
  assert.throws(() => parseCertificateList(list, list.length - 1), { code: "malformed-crl" });
});

test("fail/a list that the certificate does not vouch for", async () => {
  const parsed = parseCertificateList(list);
  const otherName = encodeName([{ type: attributeTypes.commonName, value: "Other" }]);
  const otherKey = signerOf(generateKey("P-256"));
  const wrongName = await issuerWith([], otherName);
  const wrongUsage = await issuerWith(["keyCertSign"]);
  const wrongKey = await issuerWith([], issuer, otherKey);
  const wrongKind = await issuerWith([], issuer, signerOf(generateKey("Ed25519")));
  assert.throws(() => verifyCertificateList(parsed, wrongName), { code: "not-the-issuer" });
  assert.throws(() => verifyCertificateList(parsed, wrongUsage), { code: "not-the-issuer" });
  assert.throws(() => verifyCertificateList(parsed, wrongKey), { code: "bad-signature" });
  assert.throws(() => verifyCertificateList(parsed, wrongKind), { code: "bad-signature" });
  const changed = Uint8Array.from(list);
  const at = Buffer.from(list).indexOf(Buffer.from([0x02, 0x01, 0x07]));
  changed[at + 2] = 8;
  const issuerCertificate = await issuerWith([]);
  assert.throws(() => verifyCertificateList(parseCertificateList(changed), issuerCertificate), {
    code: "bad-signature",
  });
});

test("fail/what has no encoding", async () => {
  const changes: readonly Partial<CertificateListContent>[] = [
    { nextUpdate: thisUpdate - 1 },
    { thisUpdate: Number.NaN },
    { cRLNumber: none },
    { cRLNumber: new Uint8Array(21).fill(1) },
    { revokedCertificates: [{ serialNumber: none, revocationDate: thisUpdate }] },
    { revokedCertificates: [{ serialNumber: new Uint8Array(21).fill(1), revocationDate: thisUpdate }] },
    { revokedCertificates: [{ serialNumber: Uint8Array.of(1), revocationDate: Number.NaN }] },
    { revokedCertificates: [{ serialNumber: Uint8Array.of(1), revocationDate: thisUpdate, reason: "removeFromCRL" }] },
  ];
  for (const change of changes)
    await assert.rejects(buildCertificateList({ ...content, ...change }), { name: "CrlError", code: "unencodable" });
});

test("ok/damaged lists are answered with a CrlError or with entries that can be found", () => {
  let refused = 0;
  for (const mutation of mutations(5280, list, 5000)) {
    try {
      const parsed = parseCertificateList(mutation);
      for (const { serialNumber } of parsed.revokedCertificates) assert.ok(revocationOf(parsed, serialNumber));
    } catch (error) {
      assert.ok(error instanceof CrlError, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 1000 && refused < 5000, String(refused));
});
