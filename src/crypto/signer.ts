/**
 * A private key that can sign, wherever it lives: in memory, in a file, in a hardware module. The protocol rooms hold
 * no private key by themselves, they are handed one of these.
 */
export interface Signer {
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  /** AlgorithmIdentifier in DER of the signatures that `sign` makes. */
  readonly algorithm: Uint8Array;
  /** Signature over `data` as it stands in a certificate (ECDSA: DER SEQUENCE of r and s). */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>;
}
