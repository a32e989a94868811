import assert from "node:assert/strict";
import { equal } from "../../../src/core/bytes.ts";
import { CryptoError } from "../../../src/crypto/errors.ts";
import { signerOf } from "../../../src/crypto/keys.ts";
import { PkiError } from "../../../src/pki/errors.ts";
import { encodeCertId } from "../../../src/pki/ocsp-cert-id.ts";
import { OcspError } from "../../../src/pki/ocsp-errors.ts";
import { buildOcspRequest, parseOcspRequest } from "../../../src/pki/ocsp-request.ts";
import { type OcspResponse, parseOcspResponse, verifyOcspResponse } from "../../../src/pki/ocsp-response.ts";
import { buildOcspError, buildOcspResponse } from "../../../src/pki/ocsp-response-build.ts";
import { keyPurposes } from "../../../src/pki/oids.ts";
import { encodeExtKeyUsage } from "../../../src/pki/standard-extensions.ts";
import { certify, commonName, now } from "../../../src/protocols/est/fixtures.test-support.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { authorityOf, keyOf } from "./samples.ts";

/** OCSP: requests, and responses that are believed when the issuer, or who it names, signed them. */
export async function ocspTargets(): Promise<readonly Target[]> {
  const { certificate: issuer, signer } = await authorityOf("OCSP issuer");
  const delegate = signerOf(keyOf("OCSP responder"));
  const responder = await certify(
    [commonName("responder")],
    delegate,
    { certificate: issuer, signer },
    {
      extensions: [encodeExtKeyUsage([keyPurposes.OCSPSigning])],
    },
  );
  const [serialNumber, nonce] = [Uint8Array.of(0x40, 7), new Uint8Array(32).fill(5)];
  const content = {
    responses: [
      { certId: encodeCertId("sha256", issuer, serialNumber), status: { kind: "good" } },
      {
        certId: encodeCertId("sha1", issuer, Uint8Array.of(8)),
        status: { kind: "revoked", revocationTime: now, reason: "keyCompromise" },
      },
    ],
    ...{ thisUpdate: now, nextUpdate: now + 60_000, nonce },
  } as const;
  const requests = {
    "with a nonce": buildOcspRequest({ issuer, serialNumber, nonce }),
    "SHA-256": buildOcspRequest({ issuer, serialNumber, hash: "sha256" }),
  };
  const responses = {
    "of the issuer": await buildOcspResponse({ ...content, signer }),
    "of a responder": await buildOcspResponse({ ...content, responder: responder.raw, signer: delegate }),
  };
  const signed = Object.values(responses).map(signedPart);

  return [
    ...targetsOf("OCSP request", requests, readRequest, "der"),
    ...targetsOf("OCSP response", responses, readResponse, "der"),
    ...targetsOf("OCSP response", { error: buildOcspError("tryLater") }, (input) =>
      readsOrRefuses([OcspError], () => void parseOcspResponse(input)),
    ),
  ];

  function readRequest(input: Uint8Array): boolean {
    return readsOrRefuses([OcspError], () => {
      const request = parseOcspRequest(input, 16);
      assert.ok(request.certIds.length > 0 && request.certIds.length <= 16);
      for (const { raw } of request.certIds) assert.ok(Buffer.from(input).includes(raw));
    });
  }

  function readResponse(input: Uint8Array): boolean {
    return readsOrRefuses(
      [OcspError, CryptoError, PkiError],
      () => void parseOcspResponse(input),
      () => {
        const response = parseOcspResponse(input);
        const status = verifyOcspResponse(response, { issuer, serialNumber, at: now, nonce });
        assert.equal(status.kind, "good");
        assert.ok(
          signed.some((one) => equal(one, tbsOf(response))),
          "an answer that nobody signed is believed",
        );
      },
    );
  }
}

function signedPart(response: Uint8Array): Uint8Array {
  return tbsOf(parseOcspResponse(response));
}

function tbsOf(response: OcspResponse): Uint8Array {
  return response.kind === "basic" ? response.tbsResponseData : new Uint8Array();
}
