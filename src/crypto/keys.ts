/** Keys and signatures, over node:crypto: what other rooms import. */
export { type SignatureAlgorithm, signatureAlgorithmOf, signatureAlgorithms } from "./algorithms.ts";
export {
  type GeneratedKeyKind,
  generateKey,
  generateKeyAside,
  type PrivateKey,
  type PrivateKeyForm,
  privateKeyForm,
  privateKeyFromDer,
  privateKeyFromPem,
  privateKeyToDer,
  privateKeyToPem,
} from "./private-key.ts";
export { type KeyKind, type PublicKey, publicKeyOf, rememberedPublicKeyOf, unusedPublicKeyOf } from "./public-key.ts";
export { type SynchronousSigner, signerOf, verifySignature } from "./signature.ts";
