/** CMS content types beside those of `oids.ts`, in dotted form. */
export const cmsContentTypes = {
  /** RFC 5652 6.1. */
  envelopedData: "1.2.840.113549.1.7.3",
  /** RFC 5083 2.1. */
  authEnvelopedData: "1.2.840.113549.1.9.16.1.23",
  /** RFC 8366 5.4; many senders of vouchers write id-data instead. */
  animaJsonVoucher: "1.2.840.113549.1.9.16.1.40",
} as const;

/** CMS attributes (RFC 5652 11), in dotted form. */
export const cmsAttributes = {
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  signingTime: "1.2.840.113549.1.9.5",
} as const;
