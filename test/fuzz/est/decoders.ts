import assert from "node:assert/strict";
import { equal, utf8, view } from "../../../src/core/bytes.ts";
import { CryptoError } from "../../../src/crypto/errors.ts";
import {
  privateKeyFromDer,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyOf,
  signerOf,
} from "../../../src/crypto/keys.ts";
import { decodeWireBase64, encodeWireBase64 } from "../../../src/encoding/base64.ts";
import { derOfBer } from "../../../src/encoding/ber.ts";
import { type DerReader, decodeDer } from "../../../src/encoding/der.ts";
import { Base64Error, DerError, PemError } from "../../../src/encoding/errors.ts";
import { decodePem, encodePem } from "../../../src/encoding/pem.ts";
import { contextConstructed, tags } from "../../../src/encoding/tags.ts";
import { parseCertificate } from "../../../src/pki/certificate.ts";
import { decodeCertsOnly } from "../../../src/pki/cms.ts";
import { parseCertificateList, revocationOf } from "../../../src/pki/crl.ts";
import { buildCertificateList } from "../../../src/pki/crl-build.ts";
import { CrlError } from "../../../src/pki/crl-errors.ts";
import { parseCertificationRequest, verifyProofOfPossession } from "../../../src/pki/csr.ts";
import { PkiError } from "../../../src/pki/errors.ts";
import { type Extension, encodeExtensions, parseExtensions } from "../../../src/pki/extensions.ts";
import { formatName, type Name, parseName } from "../../../src/pki/name.ts";
import * as standard from "../../../src/pki/standard-extensions.ts";
import { now } from "../../../src/protocols/est/fixtures.test-support.ts";
import { certificates, keyOf, messages, privateKeyForms, publicKeys, requests, streamed } from "./samples.ts";
import { readsOrRefuses, type Target } from "./target.ts";

/** Every decoder below the protocol: it answers with a value or with the error of its own room. */
export async function decoderTargets(): Promise<readonly Target[]> {
  const pem = utf8(`text\n${encodePem("CERTIFICATE", certificates["Ed25519"] as Uint8Array).repeat(2)}`);
  const privatePem = utf8(privateKeyToPem(keyOf("own")));
  const certificate = parseCertificate(certificates["Ed25519"] as Uint8Array);
  return [
    ...ofDer("DER", certificates, readDer),
    ...of("BER", { "certs-only": streamed(messages["RFC 9148 A.1"] as Uint8Array) }, readBer),
    ...of("PEM", { "two certificates": pem }, readPem),
    ...of("base64", { wrapped: encodeWireBase64(certificate.raw, "wrapped") }, readBase64),
    ...ofDer("certificate", certificates, readCertificate),
    ...ofDer("certification request", requests, readRequest),
    ...ofDer("certs-only", messages, readCertsOnly),
    ...of("certs-only", { streamed: streamed(messages["RFC 9148 A.1"] as Uint8Array) }, readCertsOnly),
    ...ofDer("CRL", { Ed25519: await certificateList() }, readCertificateList),
    ...ofDer("name", { Ed25519: certificate.subject.raw }, (input) =>
      readsOrRefuses([PkiError], () => format(parseName(input))),
    ),
    ...ofDer("extensions", { all: encodeExtensions(extensions()) }, (input) =>
      readsOrRefuses([PkiError], ...extensionReads(() => parseExtensions(input))),
    ),
    ...ofDer("public key", publicKeys, (input) => readsOrRefuses([CryptoError], () => publicKeyOf(input))),
    ...ofDer("private key", privateKeyForms, (input) => readsOrRefuses([CryptoError], () => privateKeyFromDer(input))),
    ...of("private key", { PEM: privatePem }, (input) =>
      readsOrRefuses([CryptoError], () => privateKeyFromPem(view(input).toString("latin1"))),
    ),
  ];
}

/** `weight` 10: an input takes ten microseconds or so, where one of a role takes hundreds. */
function of(what: string, samples: Samples, answer: Target["answer"]): readonly Target[] {
  return Object.entries(samples).map(([name, sample]) => ({ name: `${what}, ${name}`, sample, answer, weight: 10 }));
}

/** The same for samples in DER. */
function ofDer(what: string, samples: Samples, answer: Target["answer"]): readonly Target[] {
  return of(what, samples, answer).map((target) => ({ ...target, form: "der" }));
}

type Samples = Readonly<Record<string, Uint8Array>>;

function readDer(input: Uint8Array): boolean {
  return readsOrRefuses([DerError], () => {
    const { raw } = decodeDer(input, (reader) => reader.any());
    assert.ok(equal(raw, input), "more or less than the input was read");
    decodeDer(input, walk);
  });
}

function readBer(input: Uint8Array): boolean {
  return readsOrRefuses([DerError], () => {
    const bytes = derOfBer(input, input.length);
    assert.equal(
      decodeDer(bytes, (reader) => reader.any().raw.length),
      bytes.length,
    );
    assert.ok(equal(derOfBer(bytes, bytes.length), bytes), "what came out is not DER yet");
  });
}

function readPem(input: Uint8Array): boolean {
  return readsOrRefuses([PemError], () => {
    const blocks = decodePem(view(input).toString("latin1"));
    const again = decodePem(blocks.map(({ label, bytes }) => encodePem(label, bytes)).join(""));
    assert.deepEqual(again, blocks);
  });
}

function readBase64(input: Uint8Array): boolean {
  return readsOrRefuses([Base64Error], () => {
    const line = view(encodeWireBase64(decodeWireBase64(input), "line")).toString("latin1");
    assert.equal(
      line,
      view(input)
        .toString("latin1")
        .replace(/[ \t\r\n]/g, ""),
    );
  });
}

function readCertificate(input: Uint8Array): boolean {
  return readsOrRefuses(
    [PkiError, CryptoError],
    () => assert.ok(equal(parseCertificate(input).raw, input)),
    () => void parseCertificate(input).publicKey,
    () => format(parseCertificate(input).subject),
    ...extensionReads(() => parseCertificate(input).extensions),
  );
}

function readRequest(input: Uint8Array): boolean {
  return readsOrRefuses([PkiError, CryptoError], () => {
    const request = parseCertificationRequest(input);
    format(request.subject);
    void request.publicKey;
    // The request of RFC 7030 A.3 is signed over SHA-1: nothing is proven by it, but it is well-formed.
    let proven = false;
    readsOrRefuses([CryptoError], () => {
      proven = verifyProofOfPossession(request);
    });
    assert.ok(!proven || isSample(request.certificationRequestInfo), "a request that nobody signed proves possession");
  });
}

function readCertsOnly(input: Uint8Array): boolean {
  return readsOrRefuses([PkiError], () => {
    for (const found of decodeCertsOnly(input)) assert.ok(view(input).includes(found));
  });
}

function readCertificateList(input: Uint8Array): boolean {
  return readsOrRefuses([CrlError], () => {
    const list = parseCertificateList(input);
    for (const { serialNumber } of list.revokedCertificates) assert.ok(revocationOf(list, serialNumber));
  });
}

function isSample(certificationRequestInfo: Uint8Array): boolean {
  const samples = Object.values(requests).map(parseCertificationRequest);
  return samples.some((sample) => equal(sample.certificationRequestInfo, certificationRequestInfo));
}

/** A name is shown to people: whatever stands in it, nothing of it may steer a terminal. */
function format(name: Name): void {
  assert.doesNotMatch(formatName(name), /\p{Cc}/u);
  assert.ok(name.normalised.length > 0);
}

function extensionReads(read: () => readonly Extension[]): readonly (() => void)[] {
  return [
    standard.basicConstraintsOf,
    standard.keyUsageOf,
    standard.extKeyUsageOf,
    standard.subjectAltNameOf,
    standard.subjectKeyIdentifierOf,
    standard.authorityKeyIdentifierOf,
  ].map((extensionOf) => () => void extensionOf(read()));
}

function extensions(): readonly Extension[] {
  const { raw, subject } = parseCertificate(certificates["Ed25519"] as Uint8Array);
  return [
    standard.encodeBasicConstraints({ cA: true, pathLenConstraint: 3 }),
    standard.encodeKeyUsage(["digitalSignature", "cRLSign"]),
    standard.encodeExtKeyUsage(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]),
    standard.encodeSubjectAltName([
      { kind: "dNSName", text: "device.example" },
      { kind: "iPAddress", address: Uint8Array.of(192, 0, 2, 1) },
      { kind: "uniformResourceIdentifier", text: "urn:device:1" },
      { kind: "directoryName", name: subject },
      { kind: "registeredID", identifier: "1.2.3" },
      { kind: "otherName", type: "1.2.3.4", value: subject.raw },
    ]),
    standard.encodeSubjectKeyIdentifier(raw.subarray(0, 20)),
    standard.encodeAuthorityKeyIdentifier(raw.subarray(0, 20)),
  ];
}

async function certificateList(): Promise<Uint8Array> {
  const { issuer } = parseCertificate(certificates["Ed25519"] as Uint8Array);
  return buildCertificateList({
    issuer: issuer.raw,
    authorityKeyIdentifier: Uint8Array.of(1, 2, 3),
    thisUpdate: now,
    nextUpdate: now + 1000,
    cRLNumber: Uint8Array.of(1),
    revokedCertificates: [
      { serialNumber: Uint8Array.of(7), revocationDate: now },
      { serialNumber: Uint8Array.of(0x40, 1), revocationDate: now, reason: "keyCompromise", invalidityDate: now },
    ],
    signer: signerOf(keyOf("any CA")),
  });
}

/** Reads every element by its type, to the innermost. */
function walk(reader: DerReader): void {
  while (!reader.done) {
    const read = readers.find(([tag]) => reader.has(tag))?.[1];
    if (read === undefined) reader.any();
    else read(reader);
  }
}

const strings = [
  tags.utf8String,
  tags.numericString,
  tags.printableString,
  tags.teletexString,
  tags.ia5String,
  tags.visibleString,
  tags.universalString,
  tags.bmpString,
];
const containers = [tags.sequence, tags.set, ...[0, 1, 2, 3, 4].map(contextConstructed)];

const readers: readonly (readonly [tag: number, read: (reader: DerReader) => void])[] = [
  [tags.boolean, (reader) => reader.boolean()],
  [tags.integer, (reader) => reader.integer()],
  [tags.bitString, (reader) => reader.bitString()],
  [tags.octetString, (reader) => reader.octetString()],
  [tags.null, (reader) => reader.null()],
  [tags.objectIdentifier, (reader) => reader.objectIdentifier()],
  [tags.utcTime, (reader) => reader.time()],
  [tags.generalizedTime, (reader) => reader.time()],
  ...strings.map((tag) => [tag, (reader: DerReader) => void reader.text(tag)] as const),
  ...containers.map((tag) => [tag, (reader: DerReader) => reader.constructed(tag, walk)] as const),
];
