import { generateKey, signerOf } from "../../src/crypto/keys.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { encodeKeyUsage, encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import {
  authorityExtensions,
  commonName,
  craftedRequest,
  extensionAttribute,
  selfSigned,
  serialNumber,
} from "./crafted.ts";
import { ask, certificateIn, enrolment, type RawIdentity } from "./raw-client.ts";
import type { TestService } from "./service.ts";

/** The clients that a service may meet: one that is welcome, and those that are not. */
export interface Strangers {
  /** The IDevID of the claimed device GOOD-1, so that nothing but a request itself stands against it. */
  readonly device: RawIdentity;
  /** The certificate of our own CA for GOOD-1, with its name as an alternative name too. */
  readonly enrolled: RawIdentity;
  /** Of a manufacturer that is not registered. */
  readonly unknown: RawIdentity;
  /** Of a CA with our own issuing CA's name and another key. */
  readonly forged: RawIdentity;
  readonly expired: RawIdentity;
  readonly early: RawIdentity;
  /** Issued by a device's certificate instead of a CA's. */
  readonly belowLeaf: RawIdentity;
  /** With one CA more between than its manufacturer's CA allows. */
  readonly deep: RawIdentity;
  /** Of a chain of which the part that is looked at does not reach the manufacturer. */
  readonly endless: RawIdentity;
  /** With a key that may not sign. */
  readonly encipherOnly: RawIdentity;
  readonly nameless: RawIdentity;
  readonly unclaimed: RawIdentity;
  /** Denied by a rule, and one for whom a rule lets a person decide. */
  readonly denied: RawIdentity;
  readonly waiting: RawIdentity;
}

/**
 * Makes them all. The manufacturer's device MADE-1 is claimed and the bad certificates bear its name, so that each is
 * refused for its one fault.
 */
export async function makeStrangers(service: TestService): Promise<Strangers> {
  for (const label of ["GOOD-1", "MADE-1"]) await service.call("POST", "/claims", { label });
  await service.call("POST", "/rules", { verdict: "deny", match: { serial: "DENIED-*" } });
  await service.call("POST", "/rules", { verdict: "wait", match: { serial: "WAITING-*" } });
  const maker = await selfSigned(commonName("Maker CA"), authorityExtensions(1));
  const longMaker = await selfSigned(commonName("Long Maker CA"), authorityExtensions());
  for (const [name, { chain }] of Object.entries({ maker, longMaker }))
    await service.call("POST", "/anchors", { name, pem: encodePem("CERTIFICATE", chain[0] as Uint8Array) });
  const stranger = await selfSigned(commonName("Nobody's CA"), authorityExtensions());
  const forger = await selfSigned(await issuingName(service), authorityExtensions());
  const below = async (issuer: typeof maker, depth: number) => {
    let last = issuer;
    for (let level = 0; level < depth; level += 1)
      last = await last.issue(commonName(`CA at level ${level}`), { extensions: authorityExtensions() });
    return last;
  };
  const made = await service.factory.makeDevice("GOOD-1");
  const device = { chain: [made.certificate], key: made.key };
  const name = serialNumber("MADE-1");
  return {
    device,
    enrolled: await enrolOwn(service, device),
    unknown: await stranger.issue(name),
    forged: await forger.issue(commonName("GOOD-1")),
    expired: await maker.issue(name, { to: -1000 }),
    early: await maker.issue(name, { from: day, to: 2 * day }),
    belowLeaf: await (await maker.issue(name)).issue(name),
    deep: await (await below(maker, 3)).issue(name),
    endless: await (await below(longMaker, 9)).issue(name),
    encipherOnly: await maker.issue(name, { extensions: [encodeKeyUsage(["keyEncipherment"])] }),
    nameless: await maker.issue(Uint8Array.of(0x30, 0)),
    unclaimed: await maker.issue(serialNumber("MADE-2")),
    denied: await maker.issue(serialNumber("DENIED-1")),
    waiting: await maker.issue(serialNumber("WAITING-1")),
  };
}

async function enrolOwn(service: TestService, device: RawIdentity): Promise<RawIdentity> {
  const key = generateKey("P-256");
  const request = await craftedRequest({
    subject: commonName("GOOD-1"),
    signer: signerOf(key),
    attributes: [extensionAttribute(encodeSubjectAltName([{ kind: "dNSName", text: "GOOD-1" }]))],
  });
  return { chain: [certificateIn(await ask(service, enrolment(request), { identity: device }))], key };
}

async function issuingName(service: TestService): Promise<Uint8Array> {
  const { issuing } = await service.call<{ readonly issuing: string }>("GET", "/ca");
  const [block] = decodePem(issuing);
  return parseCertificate((block as { readonly bytes: Uint8Array }).bytes).subject.raw;
}

const day = 24 * 3600 * 1000;
