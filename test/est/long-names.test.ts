import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { extensionOf } from "../../src/pki/extensions.ts";
import { encodeName } from "../../src/pki/name.ts";
import { attributeTypes, extensionTypes } from "../../src/pki/oids.ts";
import { encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import {
  authorityExtensions,
  type CraftedIssuer,
  commonName,
  craftedRequest,
  extensionAttribute,
  selfSigned,
  serialNumber,
} from "./crafted.ts";
import { ask, basic, certificateIn, enrolment, type RawAnswer } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";

/** Names that are longer than any name, or more of them than anybody has. */

let service: TestService;
let maker: CraftedIssuer;

before(async () => {
  service = await startService();
  maker = await selfSigned(commonName("Maker CA"), authorityExtensions());
  const pem = encodePem("CERTIFICATE", maker.chain[0] as Uint8Array);
  await service.call("POST", "/anchors", { name: "maker", pem });
  await service.call("POST", "/rules", { verdict: "allow", match: { issuer: "maker" } });
  await service.call("PUT", "/est-users/installer", { password: "correct horse", devices: "*" });
});

after(() => service.close());

const login = basic("installer", "correct horse");

/** What a peer that is not authenticated is not told is in the run. */
async function refusedFor(answer: RawAnswer, status: number, code: string): Promise<void> {
  const { items } = await service.call<{ readonly items: readonly { readonly reason: string }[] }>(
    "GET",
    "/runs?outcome=refused&limit=1",
  );
  assert.deepEqual([answer.status, items[0]?.reason], [status, code], answer.text);
}

test("fail/a stranger's issuer name of 58,000 octets is refused, and never normalised", async (context) => {
  const normalize = context.mock.method(String.prototype, "normalize");
  const marks = "\u0300".repeat(14_500) + "\u0316".repeat(14_500);
  // As many attributes as the name of our own CA has, which it is compared with.
  const own = parseCertificate(service.root).subject.relativeDistinguishedNames;
  const name = encodeName(
    own.map((_, depth) => ({ type: attributeTypes.organizationName, value: depth === 0 ? `a${marks}` : "a" })),
  );
  const stranger = await (await selfSigned(name, authorityExtensions())).issue(commonName("line-1"));
  const identity = { chain: stranger.chain.slice(0, 1), key: stranger.key };
  const stored = service.rows("certificates").length;
  const request = enrolment(await craftedRequest({ subject: commonName("line-1") }));
  await refusedFor(await ask(service, request, { identity }), 401, "certificate-unknown");
  const sorted = normalize.mock.calls.map((call) => String(call.this)).filter((text) => text.includes("\u0316"));
  assert.deepEqual(sorted, []);
  assert.equal(service.rows("certificates").length, stored);
});

for (const [name, subject] of [
  ["serialNumber", serialNumber],
  ["common name", commonName],
] as const) {
  test(`fail/a ${name} of 65 characters names no device, and one of 64 does`, async () => {
    const enrolled = async (length: number) => {
      const device = await maker.issue(subject("7".repeat(length)));
      return ask(service, enrolment(await craftedRequest({ subject: encodeName([]) })), { identity: device });
    };
    const stored = service.contents();
    await refusedFor(await enrolled(65), 401, "certificate-malformed");
    for (const table of ["devices", "identities", "certificates", "sessions"] as const)
      assert.deepEqual(service.rows(table), stored[table]);
    assert.equal((await enrolled(64)).status, 200);
  });
}

test("ok/a dNSName that is asked for 256 times is certified once", async () => {
  const of = (count: number) =>
    encodeSubjectAltName(Array.from({ length: count }, () => ({ kind: "dNSName", text: "line-1.example" })));
  const attributes = [extensionAttribute(of(256))];
  const request = await craftedRequest({ subject: commonName("line-1.example"), attributes });
  const { extensions } = parseCertificate(certificateIn(await ask(service, enrolment(request, [login]))));
  assert.deepEqual(extensionOf(extensions, extensionTypes.subjectAltName)?.value, of(1).value);
});
