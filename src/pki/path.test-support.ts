import assert from "node:assert/strict";
import { generateKey, type SynchronousSigner, signerOf } from "../crypto/keys.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { PathError, type PathErrorCode } from "./errors.ts";
import type { Extension } from "./extensions.ts";
import { buildCertificate } from "./issue.ts";
import { encodeName } from "./name.ts";
import { attributeTypes } from "./oids.ts";
import { type PathInput, validatePath } from "./path.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "./standard-extensions.ts";

export const now = Date.UTC(2026, 5, 1);
export const day = 86_400_000;

/** A key with the name that its certificates carry. */
export interface Party {
  readonly name: Uint8Array;
  readonly signer: SynchronousSigner;
}

export function party(name: string): Party {
  return {
    name: encodeName([{ type: attributeTypes.commonName, value: name }]),
    signer: signerOf(generateKey("Ed25519")),
  };
}

export interface Changes {
  readonly extensions?: readonly Extension[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly publicKey?: Uint8Array;
  readonly serialNumber?: Uint8Array;
}

export async function issue(
  issuer: Party,
  subject: Party,
  changes: Changes,
  defaults: readonly Extension[],
): Promise<Certificate> {
  const {
    extensions = [],
    notBefore = now - day,
    notAfter = now + day,
    publicKey = subject.signer.publicKey,
    serialNumber = Uint8Array.of(1),
  } = changes;
  const types = new Set(extensions.map(({ type }) => type));
  return parseCertificate(
    await buildCertificate({
      serialNumber,
      issuer: issuer.name,
      subject: subject.name,
      publicKey,
      notBefore,
      notAfter,
      extensions: [...defaults.filter(({ type }) => !types.has(type)), ...extensions],
      signer: issuer.signer,
    }),
  );
}

export const ca = (issuer: Party, subject: Party, changes: Changes = {}) =>
  issue(issuer, subject, changes, [
    encodeBasicConstraints({ cA: true }),
    encodeKeyUsage(["keyCertSign", "cRLSign"]),
    encodeSubjectKeyIdentifier(keyIdentifierOf(subject.signer.publicKey)),
    encodeAuthorityKeyIdentifier(keyIdentifierOf(issuer.signer.publicKey)),
  ]);

export const endEntity = (issuer: Party, subject: Party, changes: Changes = {}) =>
  issue(issuer, subject, changes, [
    encodeKeyUsage(["digitalSignature"]),
    encodeAuthorityKeyIdentifier(keyIdentifierOf(issuer.signer.publicKey)),
  ]);

/** Expects a PathError with this code, and gives it back. */
export function refuses(code: PathErrorCode, input: PathInput): PathError {
  let refusal: PathError | undefined;
  assert.throws(
    () => validatePath(input),
    (error) => {
      assert.ok(error instanceof PathError, String(error));
      assert.equal(error.code, code, error.message);
      refusal = error;
      return true;
    },
  );
  assert.ok(refusal);
  return refusal;
}
