import { z } from "zod";

/** What the API takes and gives for a CA of the operator's own. */

const pem = z.string().min(1).max(262_144);

const shownCertificate = z.object({ subject: z.string(), notAfter: z.number().int() });

export const upstreamRequest = z.strictObject({
  url: z.string().min(1).max(512).describe("https://HOST/.well-known/est or https://HOST/.well-known/est/LABEL"),
  anchor: pem.describe("the upstream's root in PEM"),
  credential: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("password"),
      user: z.string().min(1).max(256),
      password: z.string().min(1).max(256),
    }),
    z.strictObject({
      kind: z.literal("certificate"),
      certificate: pem.describe("of a registration authority, and its issuers, in PEM"),
      key: pem.describe("its private key in PEM, not encrypted"),
    }),
  ]),
  force: z.boolean().default(false).describe("also when the tenant's root cannot lead devices to the upstream's CA"),
});

export const upstreamStatus = z.object({
  url: z.string(),
  credential: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("password"), user: z.string() }),
    shownCertificate.extend({ kind: z.literal("certificate"), registrationAuthority: z.boolean() }),
  ]),
  anchors: z.array(shownCertificate),
  authorities: z.array(shownCertificate),
  crossCertified: z.boolean().describe("devices that trust the tenant's root are led to the upstream's CA"),
  failure: z.object({ at: z.number().int(), reason: z.string() }).optional(),
});

export const caImport = z.strictObject({
  certificate: pem.describe("the issuing CA's certificate in PEM"),
  chain: pem.optional().describe("its issuers up to the root in PEM"),
  key: z.union([
    z.strictObject({ pem: pem.describe("its private key, not encrypted") }),
    z.strictObject({ reference: z.string().startsWith("pkcs11:").max(1024) }),
  ]),
  dryRun: z.boolean().default(false),
});

export const caImportReport = z.object({
  issuing: shownCertificate,
  issuers: z.array(shownCertificate),
  retires: shownCertificate,
  followed: z.boolean().describe("devices that trust the former root alone are led to the new one"),
});
