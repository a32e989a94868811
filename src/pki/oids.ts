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
  OCSPSigning: "1.3.6.1.5.5.7.3.9",
  cmcCA: "1.3.6.1.5.5.7.3.27",
  cmcRA: "1.3.6.1.5.5.7.3.28",
} as const;

/** Attributes of a certification request (RFC 2985 5.4). */
export const requestAttributes = {
  challengePassword: "1.2.840.113549.1.9.7",
  extensionRequest: "1.2.840.113549.1.9.14",
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
