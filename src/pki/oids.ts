/** OBJECT IDENTIFIERs by the names of their specifications, in dotted form. */

/** Attribute types of names (X.520, RFC 4519, RFC 2985). */
export const attributeTypes = {
  commonName: "2.5.4.3",
  surname: "2.5.4.4",
  serialNumber: "2.5.4.5",
  countryName: "2.5.4.6",
  localityName: "2.5.4.7",
  stateOrProvinceName: "2.5.4.8",
  streetAddress: "2.5.4.9",
  organizationName: "2.5.4.10",
  organizationalUnitName: "2.5.4.11",
  title: "2.5.4.12",
  givenName: "2.5.4.42",
  dnQualifier: "2.5.4.46",
  pseudonym: "2.5.4.65",
  domainComponent: "0.9.2342.19200300.100.1.25",
  userId: "0.9.2342.19200300.100.1.1",
  emailAddress: "1.2.840.113549.1.9.1",
} as const;

/** Certificate extensions (RFC 5280 4.2). */
export const extensionTypes = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  certificatePolicies: "2.5.29.32",
  policyMappings: "2.5.29.33",
  cRLDistributionPoints: "2.5.29.31",
  authorityKeyIdentifier: "2.5.29.35",
  policyConstraints: "2.5.29.36",
  extKeyUsage: "2.5.29.37",
  inhibitAnyPolicy: "2.5.29.54",
  authorityInfoAccess: "1.3.6.1.5.5.7.1.1",
  /** RFC 6960 4.2.2.2.1. */
  ocspNoCheck: "1.3.6.1.5.5.7.48.1.5",
} as const;

/** Methods of authorityInfoAccess (RFC 5280 4.2.2.1). */
export const accessMethods = {
  ocsp: "1.3.6.1.5.5.7.48.1",
  caIssuers: "1.3.6.1.5.5.7.48.2",
} as const;

/** What certificatePolicies may hold that has a meaning of its own (RFC 5280 4.2.1.4). */
export const policies = {
  anyPolicy: "2.5.29.32.0",
  /** Qualifiers, both for people to read. */
  cps: "1.3.6.1.5.5.7.2.1",
  unotice: "1.3.6.1.5.5.7.2.2",
} as const;

/** Purposes of an extended key usage (RFC 5280 4.2.1.12, RFC 6402 2.10). */
export const keyPurposes = {
  anyExtendedKeyUsage: "2.5.29.37.0",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  timeStamping: "1.3.6.1.5.5.7.3.8",
  OCSPSigning: "1.3.6.1.5.5.7.3.9",
  cmcCA: "1.3.6.1.5.5.7.3.27",
  cmcRA: "1.3.6.1.5.5.7.3.28",
} as const;

/** Attributes of a certification request (RFC 2985 5.4). */
export const requestAttributes = {
  challengePassword: "1.2.840.113549.1.9.7",
  extensionRequest: "1.2.840.113549.1.9.14",
  /** RFC 2985 5.6, as requests use it in RFC 7030 4.4.1. */
  smimeCapabilities: "1.2.840.113549.1.9.15",
  /** RFC 4108 2.2.5: the symmetric key that a generated key is to be encrypted under (RFC 7030 4.4.1.1). */
  decryptKeyID: "1.2.840.113549.1.9.16.2.37",
  /** RFC 7030 4.4.1.2: the recipient's own key pair. */
  asymmDecryptKeyID: "1.2.840.113549.1.9.16.2.54",
  /** RFC 6402 2.8. */
  changeSubjectName: "1.3.6.1.5.5.7.7.36",
} as const;

/** Attributes by which a CA says what a request is to hold (RFC 9908 3.4, 5). */
export const templateAttributes = {
  requestInfoTemplate: "1.2.840.113549.1.9.16.2.61",
  extensionReqTemplate: "1.2.840.113549.1.9.16.2.62",
} as const;

/** Types of keys (RFC 3279 2.3.1, RFC 5480 2.1.1, RFC 8410 3). */
export const keyTypes = {
  rsaEncryption: "1.2.840.113549.1.1.1",
  ecPublicKey: "1.2.840.10045.2.1",
  ed25519: "1.3.101.112",
  ed448: "1.3.101.113",
} as const;

/** Curves of RFC 5480 2.1.1.1 by the names that NIST gives them. */
export const curves = {
  "P-256": "1.2.840.10045.3.1.7",
  "P-384": "1.3.132.0.34",
  "P-521": "1.3.132.0.35",
} as const;

/** Extensions of a CRL (RFC 5280 5.2). */
export const crlExtensionTypes = {
  cRLNumber: "2.5.29.20",
  deltaCRLIndicator: "2.5.29.27",
  issuingDistributionPoint: "2.5.29.28",
  authorityKeyIdentifier: "2.5.29.35",
} as const;

/** Extensions of an entry of a CRL (RFC 5280 5.3). */
export const crlEntryExtensionTypes = {
  reasonCode: "2.5.29.21",
  invalidityDate: "2.5.29.24",
  certificateIssuer: "2.5.29.29",
} as const;

/** Types of OCSP (RFC 6960 4.2.1, 4.4.1). */
export const ocspTypes = {
  basic: "1.3.6.1.5.5.7.48.1.1",
  nonce: "1.3.6.1.5.5.7.48.1.2",
} as const;

/** CMS content types (RFC 5652 4, 5.1, 6.1, RFC 5083 2.1). */
export const contentTypes = {
  data: "1.2.840.113549.1.7.1",
  signedData: "1.2.840.113549.1.7.2",
  envelopedData: "1.2.840.113549.1.7.3",
  authEnvelopedData: "1.2.840.113549.1.9.16.1.23",
  /** RFC 8366 5.4; many senders of vouchers write id-data instead. */
  animaJsonVoucher: "1.2.840.113549.1.9.16.1.40",
  /** RFC 5958 4: id-ct-KP-aKeyPackage. */
  asymmetricKeyPackage: "2.16.840.1.101.2.1.2.78.5",
  /** RFC 5272 3.2.1, 4.2.1. */
  pkiData: "1.3.6.1.5.5.7.12.2",
  pkiResponse: "1.3.6.1.5.5.7.12.3",
} as const;

/** Controls of CMC that mean something here (RFC 5272 6). */
export const cmcControls = {
  statusInfo: "1.3.6.1.5.5.7.7.1",
  identification: "1.3.6.1.5.5.7.7.2",
  identityProof: "1.3.6.1.5.5.7.7.3",
  dataReturn: "1.3.6.1.5.5.7.7.4",
  transactionId: "1.3.6.1.5.5.7.7.5",
  senderNonce: "1.3.6.1.5.5.7.7.6",
  recipientNonce: "1.3.6.1.5.5.7.7.7",
  regInfo: "1.3.6.1.5.5.7.7.18",
  popLinkRandom: "1.3.6.1.5.5.7.7.22",
  popLinkWitness: "1.3.6.1.5.5.7.7.23",
  statusInfoV2: "1.3.6.1.5.5.7.7.25",
  popLinkWitnessV2: "1.3.6.1.5.5.7.7.33",
  identityProofV2: "1.3.6.1.5.5.7.7.34",
} as const;

/** CMS attributes (RFC 5652 11). */
export const cmsAttributes = {
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  signingTime: "1.2.840.113549.1.9.5",
} as const;

/** Types of an otherName: of IDevIDs (RFC 4108 5), of ACP nodes (RFC 8994 6.2.2.1). */
export const otherNames = {
  hardwareModuleName: "1.3.6.1.5.5.7.8.4",
  acpNodeName: "1.3.6.1.5.5.7.8.10",
} as const;
