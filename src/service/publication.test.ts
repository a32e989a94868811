import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { hex } from "../core/bytes.ts";
import { authorityInfoAccessOf, crlDistributionPointsOf } from "../pki/access-extensions.ts";
import { parseCertificateList, revocationOf, verifyCertificateList } from "../pki/crl.ts";
import type { StoredCrl } from "../store/records.ts";
import { newGeneration } from "./authority-create.ts";
import { day, hour, house, start, tenant } from "./publication.test-support.ts";
import type { Publication } from "./publication.ts";
import { publicationExtensions, publicationUrlOf } from "./publication-urls.ts";

type House = Awaited<ReturnType<typeof house>>;

function listOf(publication: Publication, name = "issuing-1"): StoredCrl {
  const crl = publication.crl(name);
  assert.ok(crl, `there must be a CRL of ${name}`);
  return crl;
}

/** The list after time has passed: a new one, or the same when none was due. */
async function listAfter({ pass }: House, publication: Publication, milliseconds: number): Promise<StoredCrl> {
  const { number } = listOf(publication);
  await pass(milliseconds, () => listOf(publication).number !== number);
  return listOf(publication);
}

const parsed = ({ der }: StoredCrl) => parseCertificateList(der);

test("ok/the first list is empty, of a day, signed by the CA and stored", async () => {
  const own = await house();
  const publication = await own.open();
  const crl = listOf(publication);
  const list = parsed(crl);
  verifyCertificateList(list, own.issuing);
  assert.deepEqual([list.thisUpdate, list.nextUpdate, list.revokedCertificates.count], [start, start + day, 0]);
  assert.deepEqual([crl.number, hex(list.cRLNumber ?? new Uint8Array())], [1, "01"]);
  assert.deepEqual(await own.store.authorities.latestCrl(tenant, "issuing-1"), {
    ...crl,
    der: Uint8Array.from(crl.der),
  });
  publication.stop();
});

test("ok/many revocations make one list within a second, a lifted hold another", async () => {
  const own = await house();
  const publication = await own.open();
  const lamps = [await own.issue(), await own.issue(), await own.issue()] as const;
  own.clock.advance(hour);
  await own.revoke(lamps[0]);
  await own.revoke(lamps[1], "certificateHold");
  const second = await listAfter(own, publication, 500);
  const list = parsed(second);
  assert.deepEqual([second.number, list.revokedCertificates.count], [2, 2]);
  const entry = revocationOf(list, lamps[0].serialNumber);
  assert.deepEqual([entry?.reason, entry?.revocationDate], ["keyCompromise", start + hour]);
  assert.equal(revocationOf(list, lamps[2].serialNumber), undefined);
  const serial = hex(lamps[1].serialNumber);
  await own.store.commit([own.store.authorities.unrevoke(tenant, "issuing-1", serial)]);
  const third = await listAfter(own, publication, 500);
  assert.deepEqual([third.number, parsed(third).revokedCertificates.count], [3, 1]);
  publication.stop();
});

test("ok/a list is renewed at half of its validity, and not before", async () => {
  const own = await house();
  const publication = await own.open();
  assert.equal((await listAfter(own, publication, 12 * hour - 1)).number, 1);
  const next = await listAfter(own, publication, 500);
  assert.deepEqual([next.number, parsed(next).thisUpdate], [2, start + 12 * hour]);
  publication.stop();
});

test("ok/a restart goes on with the stored list, unless something was revoked meanwhile", async () => {
  const own = await house();
  const first = await own.open();
  first.stop();
  const second = await own.open();
  assert.deepEqual(listOf(second).number, 1);
  second.stop();
  await own.revoke(await own.issue());
  const third = await own.open();
  assert.deepEqual([listOf(third).number, parsed(listOf(third)).revokedCertificates.count], [2, 1]);
  third.stop();
});

test("ok/two processes serve the same list", async () => {
  const own = await house();
  const publications = await Promise.all([own.open(), own.open()]);
  await own.revoke(await own.issue());
  const numbers = () => publications.map((publication) => publication.crl("issuing-1")?.number);
  own.clock.advance(500);
  // Who was slower finds the other's list in the round after.
  await own.pass(500, () => numbers().every((number) => number === 2));
  own.clock.advance(500);
  await own.pass(500, () => numbers().every((number) => number === 2));
  assert.deepEqual(numbers(), [2, 2]);
  const [one, other] = publications.map((publication) => hex(listOf(publication).der));
  assert.equal(one, other);
  for (const publication of publications) publication.stop();
});

test("ok/an expired certificate leaves the list after one more list", async () => {
  const own = await house();
  await own.store.commit([own.store.profiles.put({ tenant, name: "brief", settings: { lifetime: hour } })]);
  const publication = await own.open();
  const lamp = await own.issue("lamp", "brief");
  await own.revoke(lamp);
  const has = (crl: StoredCrl) => revocationOf(parsed(crl), lamp.serialNumber) !== undefined;
  assert.ok(has(await listAfter(own, publication, 500)));
  // Two days without service: no list was issued since the certificate has ended, so the next one still has it.
  const lists = [];
  for (let count = 0; count < 4; count += 1) lists.push(has(await listAfter(own, publication, 2 * day)));
  assert.deepEqual(lists, [true, false, false, false]);
  publication.stop();
});

test("ok/a clock that was set back makes a list that can be believed", async () => {
  const own = await house();
  const first = await own.open();
  first.stop();
  own.clock.advance(-10 * 365 * day);
  const second = await own.open();
  assert.deepEqual([listOf(second).number, listOf(second).thisUpdate], [2, own.clock.now()]);
  second.stop();
});

test("ok/each generation of the CA has its own list", async () => {
  const own = await house();
  const publication = await own.open();
  const { writes } = await newGeneration(tenant, 2, "next", own);
  await own.store.commit(writes);
  own.authority.refresh();
  await own.pass(500, () => publication.crl("issuing-2") !== undefined);
  assert.deepEqual([listOf(publication).number, listOf(publication, "issuing-2").number], [1, 1]);
  assert.ok(await publication.certificate("root-2"));
  assert.equal(await publication.certificate("root-3"), undefined);
  for (const name of ["root-1", "issuing-3", ""]) assert.equal(publication.crl(name), undefined);
  publication.stop();
});

test("fail/a CA that cannot sign: told once, the last list stays, and the next one has the next number", async () => {
  const own = await house();
  const publication = await own.open();
  await own.revoke(await own.issue());
  own.signed.failure = new Error("the token is gone");
  for (let round = 0; round < 3; round += 1) {
    own.clock.advance(500);
    for (let turn = 0; turn < 50; turn += 1) await setImmediate();
  }
  assert.deepEqual([own.errors, listOf(publication).number], [[own.signed.failure], 1]);
  own.signed.failure = undefined;
  assert.equal((await listAfter(own, publication, 500)).number, 2);
  publication.stop();
});

test("ok/certificates of devices say where, those of the service do not", async () => {
  const own = await house();
  const lamp = await own.issue();
  const uri = (text: string) => ({ kind: "uniformResourceIdentifier", text });
  assert.deepEqual(crlDistributionPointsOf(lamp.extensions)?.[0]?.fullName, [
    uri("http://pki.example/crl/default/issuing-1.crl"),
  ]);
  assert.deepEqual(
    authorityInfoAccessOf(lamp.extensions)?.map(({ accessLocation }) => accessLocation),
    [uri("http://pki.example/ocsp/default"), uri("http://pki.example/ca/default/issuing-1.cer")],
  );
  const odd = publicationExtensions("http://a/b", "t", "ours & theirs");
  assert.deepEqual(crlDistributionPointsOf(odd)?.[0]?.fullName, [uri("http://a/b/crl/t/ours%20%26%20theirs.crl")]);
});

test("ok/the public URL loses the slash at its end", () => {
  assert.equal(publicationUrlOf("http://pki.example"), "http://pki.example");
  assert.equal(publicationUrlOf("http://PKI.example:8480/x/"), "http://pki.example:8480/x");
});

test("fail/public URLs that certificates cannot have", () => {
  for (const text of ["pki.example", "https://pki.example", "ldap://a", "http://a/?b", "http://a/#b", "http://u:p@a"])
    assert.throws(() => publicationUrlOf(text), { code: "invalid" }, text);
});
