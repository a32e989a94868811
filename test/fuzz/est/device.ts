import assert from "node:assert/strict";
import { equal } from "../../../src/core/bytes.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { HatcheryError } from "../../../src/core/errors.ts";
import { seededRandomness } from "../../../src/core/randomness.ts";
import { signerOf, verifySignature } from "../../../src/crypto/keys.ts";
import { encodeWireBase64 } from "../../../src/encoding/base64.ts";
import { tags } from "../../../src/encoding/tags.ts";
import { encodeCertsOnly } from "../../../src/pki/cms.ts";
import { encodeCsrAttrs } from "../../../src/pki/csr-attributes.ts";
import { templateFor } from "../../../src/pki/csr-attributes-requirements.ts";
import { encodeName } from "../../../src/pki/name.ts";
import { attributeTypes, extensionTypes, keyTypes } from "../../../src/pki/oids.ts";
import { type EnrolledCredential, enroll } from "../../../src/protocols/est/device.ts";
import type { EstDeviceEnv, EstDeviceSettings } from "../../../src/protocols/est/device-env.ts";
import { EstFailed } from "../../../src/protocols/est/errors.ts";
import { certify, commonName, now, peer } from "../../../src/protocols/est/fixtures.test-support.ts";
import { encodeReply } from "../../../src/protocols/est/http.ts";
import type { EstReply } from "../../../src/protocols/est/messages.ts";
import type { DeviceKey } from "../../../src/protocols/ports.ts";
import type { HttpResponse } from "../../../src/transport/http/message.ts";
import type { Target } from "../harness/target.ts";
import { authorityOf, type FuzzAuthority, keyOf, signed } from "../pki/samples.ts";
import { bytesOfResponse, responseOf } from "./http.ts";

/**
 * The device against a server whose answers are damaged: it ends with a certificate of its own key by the CA that it was
 * told to trust, or with a coded error and nothing stored.
 */
export async function deviceTargets(): Promise<readonly Target[]> {
  const root = await authorityOf("device's root");
  const stranger = await authorityOf("stranger");
  const certificate = await certify([commonName("SN-1")], key.signer, root);
  const published = replied("cacerts", root.certificate.raw);
  const issued = replied("simpleenroll", certificate.raw);
  const elements = [templateFor(requirements)];
  const wishes = encodeReply("csrattrs", { kind: "csrattrs", elements }, options);
  const pending = encodeReply("simpleenroll", { kind: "pending", retryAfter: 7 }, options);
  const withBody = (answer: HttpResponse, der: Uint8Array) => ({ ...answer, body: encodeWireBase64(der, "line") });

  const cases: Readonly<Record<string, Case>> = {
    "answer to cacerts": {
      sample: bytesOfResponse(published),
      answers: (input) => [responseOf(input), issued],
    },
    "CMS message of cacerts": {
      sample: encodeCertsOnly([root.certificate.raw]),
      answers: (input) => [withBody(published, input), issued],
    },
    // The sample says of the root's own key what a stranger says, as cross certificates do, and is passed over.
    "CA certificate, signed by a stranger": {
      sample: root.certificate.tbsCertificate,
      answers: (input) => [replied("cacerts", root.certificate.raw, signed(input, stranger.signer)), issued],
    },
    "CA certificate of a stranger": {
      sample: stranger.certificate.tbsCertificate,
      answers: (input) => [replied("cacerts", root.certificate.raw, signed(input, stranger.signer)), issued],
      sampleIsRefused: true,
    },
    "answer to csrattrs": {
      sample: bytesOfResponse(wishes),
      answers: () => [published, issued],
      csrattrs: responseOf,
    },
    "list of csrattrs": {
      sample: encodeCsrAttrs(elements),
      answers: () => [published, issued],
      csrattrs: (input) => withBody(wishes, input),
    },
    "answer to simpleenroll": {
      sample: bytesOfResponse(issued),
      answers: (input) => [published, responseOf(input)],
    },
    "CMS message of simpleenroll": {
      sample: encodeCertsOnly([certificate.raw]),
      answers: (input) => [published, withBody(issued, input)],
    },
    "issued certificate, signed": {
      sample: certificate.tbsCertificate,
      answers: (input) => [published, replied("simpleenroll", signed(input, root.signer))],
    },
    "answer that asks to wait": {
      sample: bytesOfResponse(pending),
      answers: (input) => [published, responseOf(input), issued],
    },
  };
  return Object.entries(cases).map(([name, { sample, answers, csrattrs, sampleIsRefused = false }]) => ({
    name: `device, ${name}`,
    sample,
    weight: 4,
    ...(sample[0] === tags.sequence ? { form: "der" as const } : {}),
    answer: async (input) => (await isEnrolled(root, answers(input), csrattrs?.(input))) !== sampleIsRefused,
  }));
}

interface Case {
  readonly sample: Uint8Array;
  /** What the server answers, in order. */
  readonly answers: (input: Uint8Array) => readonly HttpResponse[];
  /** What it answers to csrattrs; the device does not ask when it is absent. */
  readonly csrattrs?: (input: Uint8Array) => HttpResponse;
  /** The sample is an attack, and what counts as taken is its refusal. */
  readonly sampleIsRefused?: boolean;
}

async function isEnrolled(
  root: FuzzAuthority,
  answers: readonly HttpResponse[],
  csrattrs?: HttpResponse,
): Promise<boolean> {
  let saved = 0;
  const left = [...answers];
  const manual = new ManualClock(now);
  const env: EstDeviceEnv = {
    dial: async () => ({
      peer: peer("TLSv1.3", [root.certificate]),
      async request({ path }) {
        if (csrattrs !== undefined && path.endsWith("/csrattrs")) return csrattrs;
        const answer = left.shift();
        if (answer === undefined) throw new HatcheryError("association-closed", "The server says no more.");
        return answer;
      },
      serve: () => assert.fail("a device asks"),
      close: async () => {},
    }),
    clock: {
      now: () => manual.now(),
      monotonic: () => manual.monotonic(),
      sleep: async (time) => manual.advance(time),
    },
    randomness: seededRandomness("device"),
    keys: { generate: async () => key },
    fetchUnauthenticated: () => assert.fail("this device has an anchor"),
    storage: {
      anchors: async () => undefined,
      saveAnchors: async () => {},
      credential: async () => undefined,
      pendingKey: async () => undefined,
      savePendingKey: async () => {},
      async saveCredential() {
        saved += 1;
      },
    },
  };
  const settings: EstDeviceSettings = {
    server: { host: "est.example", port: 8443, trust: { kind: "explicit", anchors: [root.certificate.raw] } },
    subject: encodeName([commonName("SN-1")]),
    keyKind: "Ed25519",
    csrattrs: csrattrs === undefined ? "never" : "ask",
    binding: "auto",
    patience: 60_000,
  };
  let credential: EnrolledCredential;
  try {
    credential = await enroll("simpleenroll", settings, env);
  } catch (error) {
    const closed = error instanceof HatcheryError && error.code === "association-closed";
    if (!(error instanceof EstFailed) && !closed) throw error;
    assert.equal(saved, 0, "something was stored of an enrolment that failed");
    return false;
  }
  const { subjectPublicKeyInfo, signatureAlgorithm, tbsCertificate, signature } = credential.certificate;
  assert.equal(saved, 1);
  assert.ok(equal(subjectPublicKeyInfo, key.signer.publicKey), "a certificate for another key");
  assert.ok(
    verifySignature(root.certificate.publicKey, signatureAlgorithm, tbsCertificate, signature),
    "a certificate by a CA that nobody told the device to trust",
  );
  return true;
}

const requirements = {
  challengePassword: true,
  keys: [{ algorithm: keyTypes.ed25519 }],
  signatureAlgorithms: [],
  subject: [[{ type: attributeTypes.commonName }]],
  extensions: [
    { type: extensionTypes.subjectAltName, critical: false },
    { type: extensionTypes.extKeyUsage, critical: false },
  ],
};
const key: DeviceKey = { kind: "Ed25519", signer: signerOf(keyOf("device")) };
const options = { form: "auto", userAgent: undefined, run: "server-run" } as const;

function replied(operation: string, ...certificates: readonly Uint8Array[]): HttpResponse {
  const reply: EstReply = { kind: "certificates", certificates };
  return encodeReply(operation, reply, options);
}
