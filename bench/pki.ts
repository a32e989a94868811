// npm run bench pki [--json]: what reading, checking and making certificates, CMS and CRLs costs beside its signatures.
import { randomBytes } from "node:crypto";
import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { systemRandomness } from "../src/core/randomness.ts";
import { generateKey, type SynchronousSigner, signerOf } from "../src/crypto/keys.ts";
import {
  attributeTypes,
  buildCertificate,
  buildCertificateList,
  buildCertificationRequest,
  buildSignedData,
  type CertificationRequest,
  type ContentSigner,
  contentTypes,
  type Extension,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeName,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  issuerAndSerialNumberOf,
  keyIdentifierOf,
  keyPurposes,
  parseCertificate,
  parseCertificateList,
  parseCertificationRequest,
  parseSignedData,
  prepared,
  revocationOf,
  subjectAltNameOf,
  validatePath,
  verifyProofOfPossession,
  verifySignedData,
} from "../src/pki/index.ts";
import { type SignatureFloors, signatureFloors } from "./floors.ts";
import { median, table } from "./measure.ts";

/** One thing that is measured, and the public-key operations without which nobody can do it. */
interface Operation {
  readonly name: string;
  readonly floor: { readonly sign: number; readonly verify: number };
  /** How often it runs in one round. */
  readonly count: number;
  /** Input `index`: most have 64 with different keys, so that nothing can be remembered of the one before. */
  work(index: number): unknown;
}

interface Figure {
  readonly name: string;
  /** CPU microseconds of one operation, the median of all rounds. */
  readonly cpu: number;
  /** The cheapest and the dearest round. */
  readonly range: readonly [number, number];
  /** CPU microseconds; 0 for what needs no signature. */
  readonly floor: number;
  /** Undefined without a floor. */
  readonly ratio: number | undefined;
}

/** So many that the compiler, whose threads are counted, is done. */
const warmUpRounds = 25;
const measuredRounds = 15;
/** More than the keys that are remembered. */
const variants = 256;
const entries = 10_000;
const voucher = randomBytes(600);
const day = 24 * 3600 * 1000;
const now = Date.now();

/** What all certificates of a profile have alike, encoded once as the service does it. */
const profile = [
  encodeBasicConstraints({ cA: false }),
  encodeKeyUsage(["digitalSignature"]),
  encodeExtKeyUsage([keyPurposes.clientAuth]),
].map(prepared);

const { values } = parseArgs({ options: { json: { type: "boolean" } } });
const figures = await measure(await operations());
console.log(values.json === true ? JSON.stringify(figures) : textOf(figures));

async function operations(): Promise<readonly Operation[]> {
  const root = await makeAuthority("bench root");
  const issuing = await makeAuthority("bench issuing", root);
  const requests = await Promise.all(Array.from({ length: variants }, (_, index) => makeRequest(`device ${index}`)));
  const leaves = await Promise.all(requests.map((request) => certificateFrom(request, issuing, serialNumber())));
  const signers = await Promise.all(leaves.map(() => makeAuthority("bench signer", issuing)));
  const contentSigners = signers.map(contentSigner);
  const messages = await Promise.all(contentSigners.map(signedBy));
  const list = await makeList(issuing);
  const parsedList = parseCertificateList(list);
  const serialNumbers = leaves.map(() => serialNumber());
  const chosen = <T>(from: readonly T[], index: number) => from[index % variants] as T;
  const path = (index: number, others: readonly Authority[], anchor: Authority) =>
    validatePath({
      chain: [chosen(leaves, index), ...others.map(({ certificate }) => certificate)].map(parseCertificate),
      anchors: [parseCertificate(anchor.certificate)],
      at: now,
      profile: "tls-client",
    });
  const verified = (index: number) => verifySignedData(parseSignedData(chosen(messages, index)));
  const none = { sign: 0, verify: 0 };
  const one = { sign: 0, verify: 1 };
  return [
    {
      name: "parse a certificate",
      floor: none,
      count: 1_000,
      work: (index) => parseCertificate(chosen(leaves, index)),
    },
    { name: "check a CSR", floor: one, count: 1_000, work: (index) => checkedRequest(chosen(requests, index)) },
    {
      name: "certificate from a CSR",
      floor: { sign: 1, verify: 1 },
      count: 1_000,
      work: (index) => certificateFrom(chosen(requests, index), issuing, chosen(serialNumbers, index)),
    },
    {
      name: "sign CMS",
      floor: { sign: 1, verify: 0 },
      count: 1_000,
      work: (index) => signedBy(chosen(contentSigners, index)),
    },
    { name: "verify CMS, one signer", floor: one, count: 1_000, work: () => verified(0) },
    { name: `verify CMS, ${variants} signers in turn`, floor: one, count: 1_000, work: verified },
    { name: "path to an anchor", floor: one, count: 1_000, work: (index) => path(index, [], issuing) },
    {
      name: "path over an intermediate",
      floor: { sign: 0, verify: 2 },
      count: 500,
      work: (index) => path(index, [issuing], root),
    },
    { name: `parse a CRL of ${entries} entries`, floor: none, count: 5, work: () => parseCertificateList(list) },
    {
      name: "look a serial number up in it",
      floor: none,
      count: 2_000,
      work: (index) => revocationOf(parsedList, chosen(serialNumbers, index)),
    },
  ];
}

async function measure(all: readonly Operation[]): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const operation of all) {
    // Progress goes to stderr: stdout holds the result alone.
    console.error(`pki: ${operation.name}`);
    figures.push(await figureOf(operation));
  }
  return figures;
}

/** One operation and its floor in turn. Others do not come between, or each would pay for the garbage of the one before. */
async function figureOf(operation: Operation): Promise<Figure> {
  const floors: SignatureFloors[] = [];
  const rounds: number[] = [];
  for (let round = 0; round < warmUpRounds; round += 1) await cpuTimeOf(operation);
  for (let round = 0; round < measuredRounds; round += 1) {
    floors.push(signatureFloors());
    rounds.push(await cpuTimeOf(operation));
  }
  const sign = median(floors.map((floor) => floor.sign));
  const verify = median(floors.map((floor) => floor.verify));
  const cpu = median(rounds);
  const floor = operation.floor.sign * sign + operation.floor.verify * verify;
  const ratio = floor === 0 ? undefined : cpu / floor;
  return { name: operation.name, cpu, range: [Math.min(...rounds), Math.max(...rounds)], floor, ratio };
}

/** CPU microseconds of one operation: what all threads of this process use, the collector's among them. */
async function cpuTimeOf({ count, work }: Operation): Promise<number> {
  const before = process.cpuUsage();
  for (let index = 0; index < count; index += 1) await work(index);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

interface Authority {
  readonly name: Uint8Array;
  readonly keyIdentifier: Uint8Array;
  /** As it stands in the certificates that it issues. */
  readonly authorityKeyIdentifier: Extension;
  readonly signer: SynchronousSigner;
  /** In DER. */
  readonly certificate: Uint8Array;
}

async function makeAuthority(commonName: string, parent?: Authority): Promise<Authority> {
  const name = encodeName([{ type: attributeTypes.commonName, value: commonName }]);
  const signer = signerOf(generateKey("P-256"));
  const keyIdentifier = keyIdentifierOf(signer.publicKey);
  const authorityKeyIdentifier = prepared(encodeAuthorityKeyIdentifier(keyIdentifier));
  const own = { name, signer, keyIdentifier, authorityKeyIdentifier };
  const certificate = await certified(serialNumber(), name, signer.publicKey, parent ?? own, [
    encodeBasicConstraints({ cA: true }),
    encodeKeyUsage(["digitalSignature", "keyCertSign", "cRLSign"]),
  ]);
  return { ...own, certificate };
}

function makeRequest(commonName: string): Promise<Uint8Array> {
  return buildCertificationRequest({
    subject: encodeName([{ type: attributeTypes.commonName, value: commonName }]),
    signer: signerOf(generateKey("P-256")),
    extensions: [encodeSubjectAltName([{ kind: "dNSName", text: "device.example" }])],
  });
}

function checkedRequest(bytes: Uint8Array): CertificationRequest {
  const request = parseCertificationRequest(bytes);
  if (!verifyProofOfPossession(request)) throw new Error("the request is not signed by its key");
  return request;
}

/** What an EST server does between request and answer, as far as it is a matter of this room. */
function certificateFrom(bytes: Uint8Array, issuer: Authority, serialNumber: Uint8Array): Promise<Uint8Array> {
  const { subject, subjectPublicKeyInfo, extensionRequest } = checkedRequest(bytes);
  return certified(serialNumber, subject.raw, subjectPublicKeyInfo, issuer, [
    ...profile,
    encodeSubjectAltName(subjectAltNameOf(extensionRequest) ?? []),
  ]);
}

function certified(
  serialNumber: Uint8Array,
  subject: Uint8Array,
  publicKey: Uint8Array,
  issuer: Omit<Authority, "certificate">,
  extensions: readonly Extension[],
): Promise<Uint8Array> {
  return buildCertificate({
    serialNumber,
    issuer: issuer.name,
    subject,
    publicKey,
    notBefore: now - day,
    notAfter: now + day,
    extensions: [...extensions, encodeSubjectKeyIdentifier(keyIdentifierOf(publicKey)), issuer.authorityKeyIdentifier],
    signer: issuer.signer,
  });
}

/** A message as long as a voucher, with the signer's certificate in it. */
function signedBy({ certificate, ...signer }: CertifiedSigner): Promise<Uint8Array> {
  const signers = [{ ...signer, signingTime: now }];
  return buildSignedData({ eContentType: contentTypes.data, content: voucher, signers, certificates: [certificate] });
}

interface CertifiedSigner extends ContentSigner {
  /** In DER. */
  readonly certificate: Uint8Array;
}

function contentSigner({ signer, certificate }: Authority): CertifiedSigner {
  return { signer, certificate, sid: issuerAndSerialNumberOf(parseCertificate(certificate)) };
}

function makeList(issuer: Authority): Promise<Uint8Array> {
  return buildCertificateList({
    issuer: issuer.name,
    authorityKeyIdentifier: issuer.keyIdentifier,
    thisUpdate: now,
    nextUpdate: now + day,
    cRLNumber: Uint8Array.of(1),
    revokedCertificates: Array.from({ length: entries }, () => ({
      serialNumber: serialNumber(),
      revocationDate: now,
      reason: "superseded" as const,
    })),
    signer: issuer.signer,
  });
}

function serialNumber(): Uint8Array {
  return Uint8Array.of(1, ...systemRandomness.bytes(15));
}

function textOf(figures: readonly Figure[]): string {
  const [load = 0] = loadavg();
  const figure = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0));
  return [
    `Certificates, requests, CMS and CRLs, P-256; ${process.version}, ${availableParallelism()} processors (load ${load.toFixed(1)} after).`,
    `CPU microseconds of one operation, median of ${measuredRounds} rounds in turn with the floor: the bare signatures made and verified.`,
    "",
    table(
      ["operation", "CPU us", "range", "floor us", "ratio"],
      figures.map(({ name, cpu, range, floor, ratio }) => [
        name,
        figure(cpu),
        range.map(figure).join("-"),
        floor === 0 ? "" : figure(floor),
        ratio?.toFixed(2) ?? "",
      ]),
    ),
  ].join("\n");
}
