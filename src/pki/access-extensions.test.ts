import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import {
  authorityInfoAccessOf,
  crlDistributionPointsOf,
  encodeAuthorityInfoAccess,
  encodeCrlDistributionPoint,
} from "./access-extensions.ts";
import { accessMethods, extensionTypes } from "./oids.ts";

const crl = "http://ca.example/crl/a.crl";
const uri = (text: string) => ({ kind: "uniformResourceIdentifier", text }) as const;
const pointsOf = (...points: readonly Uint8Array[]) =>
  crlDistributionPointsOf([
    { type: extensionTypes.cRLDistributionPoints, critical: false, value: der.sequence(points) },
  ]);

test("ok/a distribution point is read back", () => {
  assert.deepEqual(crlDistributionPointsOf([encodeCrlDistributionPoint(crl)]), [
    { fullName: [uri(crl)], partial: false },
  ]);
  assert.equal(crlDistributionPointsOf([]), undefined);
});

test("ok/a distribution point has the bytes that openssl writes", () => {
  // openssl req -x509 -addext crlDistributionPoints=URI:http://a/b
  assert.deepEqual(
    Buffer.from(encodeCrlDistributionPoint("http://a/b").value),
    Buffer.from(fromHex("301230" + "10a00ea00c860a687474703a2f2f612f62") ?? []),
  );
});

test("ok/points by reasons, of another issuer, and without a full name", () => {
  const other = der.explicit(2, der.implicit(2, der.ia5String("issuer.example")));
  const reasons = der.implicit(1, der.namedBits([1]));
  const relative = der.explicit(0, der.explicit(1, der.nullValue()));
  assert.deepEqual(pointsOf(der.sequence([reasons]), der.sequence([other]), der.sequence([relative])), [
    { fullName: undefined, partial: true },
    { fullName: undefined, partial: true },
    { fullName: undefined, partial: false },
  ]);
});

test("ok/where responder and issuer are found is read back", () => {
  const places = { ocsp: "http://ca.example/ocsp/a", caIssuers: "http://ca.example/ca/a.cer" };
  assert.deepEqual(authorityInfoAccessOf([encodeAuthorityInfoAccess(places)]), [
    { accessMethod: accessMethods.ocsp, accessLocation: uri(places.ocsp) },
    { accessMethod: accessMethods.caIssuers, accessLocation: uri(places.caIssuers) },
  ]);
  assert.equal(authorityInfoAccessOf([]), undefined);
});

test("fail/malformed values", () => {
  for (const point of [
    der.nullValue(),
    der.sequence([der.nullValue()]),
    der.sequence([der.explicit(0, new Uint8Array())]),
  ])
    assert.throws(() => pointsOf(point), { code: "malformed-extension" });
  assert.throws(() => pointsOf(...new Array<Uint8Array>(17).fill(der.sequence([]))), { code: "malformed-extension" });
  const value = der.sequence([der.sequence([der.objectIdentifier(accessMethods.ocsp)])]);
  assert.throws(() => authorityInfoAccessOf([{ type: extensionTypes.authorityInfoAccess, critical: false, value }]), {
    code: "malformed-extension",
  });
});

test("fail/URIs that are not ASCII", () => {
  assert.throws(() => encodeCrlDistributionPoint("http://größe/"), { code: "unencodable" });
  assert.throws(() => encodeAuthorityInfoAccess({ ocsp: crl, caIssuers: "http://größe/" }), { code: "unencodable" });
});

test("ok/any URIs are read back", () => {
  const text = fc.webUrl();
  fc.assert(
    fc.property(text, text, (ocsp, caIssuers) => {
      assert.deepEqual(crlDistributionPointsOf([encodeCrlDistributionPoint(ocsp)]), [
        { fullName: [uri(ocsp)], partial: false },
      ]);
      assert.deepEqual(authorityInfoAccessOf([encodeAuthorityInfoAccess({ ocsp, caIssuers })]), [
        { accessMethod: accessMethods.ocsp, accessLocation: uri(ocsp) },
        { accessMethod: accessMethods.caIssuers, accessLocation: uri(caIssuers) },
      ]);
    }),
    { seed: 23, numRuns: 200 },
  );
});
