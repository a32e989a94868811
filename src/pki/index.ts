/** Certificates, certification requests, CMS, CRLs, certificate paths: parsed, checked and built. Pure. */
export {
  type AccessDescription,
  authorityInfoAccessOf,
  crlDistributionPointsOf,
  type DistributionPoint,
  encodeAuthorityInfoAccess,
  encodeCrlDistributionPoint,
} from "./access-extensions.ts";
export { decodeAsymmetricKeyPackage, encodeAsymmetricKeyPackage } from "./asymmetric-key-package.ts";
export { type Certificate, parseCertificate } from "./certificate.ts";
export { type ChangeSubjectName, changeSubjectNameOf, encodeChangeSubjectName } from "./change-subject-name.ts";
export {
  decodePkiData,
  decodePkiResponse,
  encodePkiData,
  encodePkiResponse,
  type PkiData,
  type PkiResponse,
  type TaggedRequest,
} from "./cmc.ts";
export {
  type Control,
  type ControlContent,
  type TransactionControls,
  transactionControls,
  transactionOf,
} from "./cmc-control.ts";
export { CmcError, type CmcErrorCode } from "./cmc-errors.ts";
export { type CmcFailInfo, type CmcStatus, type StatusInfo, statusInfosOf, statusInfoV2 } from "./cmc-status.ts";
export { decodeCertsOnly, encodeCertsOnly } from "./cms.ts";
export {
  type DecryptedContent,
  type DecryptionKey,
  decryptEnvelopedData,
  type EnvelopedData,
  parseEnvelopedData,
} from "./cms-enveloped-data.ts";
export { type EnvelopedDataContent, encryptEnvelopedData, type Recipient } from "./cms-enveloped-data-build.ts";
export { CmsError, type CmsErrorCode } from "./cms-errors.ts";
export { type CertificateIdentifier, identifiersOf, issuerAndSerialNumberOf } from "./cms-identifier.ts";
export type { KeyWrapName } from "./cms-key-encryption.ts";
export type { RecipientInfo } from "./cms-recipient-info.ts";
export {
  parseSignedData,
  type SignedData,
  type VerificationInput,
  type VerifiedContent,
  type VerifiedSigner,
  verifySignedData,
  verifySignedDataByKey,
} from "./cms-signed-data.ts";
export { buildSignedData, type ContentSigner, type SignedDataContent } from "./cms-signed-data-build.ts";
export type { SignerInfo } from "./cms-signer-info.ts";
export { type CertificateList, parseCertificateList, revocationOf, verifyCertificateList } from "./crl.ts";
export { buildCertificateList, type CertificateListContent } from "./crl-build.ts";
export type { Revocation, RevokedCertificates } from "./crl-entries.ts";
export { CrlError, type CrlErrorCode } from "./crl-errors.ts";
export type { RevocationReason } from "./crl-reasons.ts";
export {
  type Attribute,
  buildCertificationRequest,
  type CertificationRequest,
  type CertificationRequestContent,
  parseCertificationRequest,
  verifyProofOfPossession,
} from "./csr.ts";
export { type AttrOrOid, encodeCsrAttrs, parseCsrAttrs } from "./csr-attributes.ts";
export {
  asksForNothing,
  attributesFor,
  type RequestRequirements,
  requirementsOf,
  templateFor,
} from "./csr-attributes-requirements.ts";
export {
  type ExtensionTemplate,
  isComplete,
  type KeyRequirement,
  type NameAttributeTemplate,
} from "./csr-attributes-template.ts";
export { PathError, type PathErrorCode, PkiError, type PkiErrorCode } from "./errors.ts";
export { type Extension, encodeExtensions, extensionOf, parseExtensions, prepared } from "./extensions.ts";
export type { GeneralName } from "./general-name.ts";
export { matchesHostName } from "./host-name.ts";
export { buildCertificate, type CertificateContent } from "./issue.ts";
export {
  type AttributeTypeAndValue,
  attribute,
  encodeName,
  equalNames,
  formatName,
  isEmptyName,
  type Name,
  type NameAttribute,
  parseName,
} from "./name.ts";
export type { CertId, CertIdHash } from "./ocsp-cert-id.ts";
export { OcspError, type OcspErrorCode } from "./ocsp-errors.ts";
export { buildOcspRequest, type OcspRequest, parseOcspRequest } from "./ocsp-request.ts";
export {
  type BasicOcspResponse,
  type OcspExpectation,
  type OcspResponse,
  parseOcspResponse,
  type SingleResponse,
  verifyOcspResponse,
} from "./ocsp-response.ts";
export { buildOcspError, buildOcspResponse, type OcspResponseContent } from "./ocsp-response-build.ts";
export type { CertStatus, OcspErrorStatus } from "./ocsp-statuses.ts";
export {
  accessMethods,
  attributeTypes,
  contentTypes,
  extensionTypes,
  keyPurposes,
  otherNames,
  requestAttributes,
} from "./oids.ts";
export { type PathInput, type ValidPath, validatePath } from "./path.ts";
export type { Profile } from "./path-profiles.ts";
export type { RevocationInput } from "./path-revocation.ts";
export { decodeSmimeCapabilities, encodeSmimeCapabilities, type OfferedAlgorithms } from "./smime-capabilities.ts";
export {
  authorityKeyIdentifierOf,
  type BasicConstraints,
  basicConstraintsOf,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeOcspNoCheck,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  extKeyUsageOf,
  type KeyUsage,
  keyIdentifierOf,
  keyUsageOf,
  subjectAltNameOf,
  subjectKeyIdentifierOf,
} from "./standard-extensions.ts";
