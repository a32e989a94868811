import { z } from "zod";
import { maxPage } from "../../store/paging.ts";
import { identityKinds, lifecycles } from "../../store/records.ts";

/** What the API takes and gives; the OpenAPI document is made from these. */

export const tenantParameters = z.object({
  tenant: z.string().min(1).max(64).describe("the tenant, `default` unless others were made"),
});
export const idParameters = tenantParameters.extend({ id: z.string().min(1).max(128) });

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(maxPage).default(100),
  after: z.string().max(4096).optional().describe("`next` of the page before"),
});

export const problem = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export const device = z.object({
  id: z.string(),
  name: z.string(),
  lifecycle: z.enum(lifecycles),
  created: z.number().int(),
  updated: z.number().int(),
});

export const identity = z.object({
  kind: z.enum(identityKinds),
  value: z.string(),
  provenBy: z.string(),
  issuer: z.string().optional().describe("name of the anchor that has to vouch for it, or did"),
});

export const certificate = z.object({
  serial: z.string(),
  authority: z.string(),
  subject: z.string(),
  profile: z.string(),
  notBefore: z.number().int(),
  notAfter: z.number().int(),
  device: z.string().optional(),
  run: z.string().optional(),
  revocation: z.object({ at: z.number().int(), reason: z.string() }).optional(),
  pem: z.string(),
});

/** Beside `revocation`, what else may make it useless before its end. */
export const listedCertificate = certificate.extend({
  replaced: z.boolean().describe("its device has a newer good certificate by the same profile"),
  caEnded: z.boolean().describe("its CA was ended by a roll-over, so that it is not accepted any more"),
});

export const outcome = z.enum(["granted", "refused", "waiting", "failed"]);

export const runSummary = z.object({
  id: z.string(),
  protocol: z.string(),
  variant: z.string(),
  device: z.string().optional(),
  label: z.string(),
  started: z.number().int(),
  ended: z.number().int().optional(),
  outcome,
  reason: z.string(),
});

/** The ledger of one end. Bounded; the events' fields are those of `knowledge/run.ts`. */
export const runLedger = z.object({
  id: z.string().max(128),
  protocol: z.string().max(64),
  variant: z.string().max(64),
  started: z.number().int(),
  ended: z.number().int().optional(),
  outcome,
  reason: z.string().max(1000),
  link: z.string().max(200),
  recordedBy: z.array(z.string().max(32)).min(1).max(4),
  events: z
    .array(
      z.looseObject({ kind: z.string().max(32), at: z.number(), phase: z.string().max(32), by: z.string().max(32) }),
    )
    .max(1000),
  omitted: z.number().int().min(0),
});

const credential = z.enum(["idevid", "ldevid", "password", "psk", "ra", "anonymous"]);
/** Strict: a misspelt condition would be none, and the rule would match every device. */
export const ruleMatch = z.strictObject({
  protocol: z.string().min(1).max(32).optional(),
  profile: z.string().min(1).max(64).optional().describe("name of the certificate profile that is asked for"),
  issuer: z.string().min(1).max(64).optional().describe("name of a registered anchor; may hold `*`"),
  serial: z.string().min(1).max(64).optional().describe("serial number that a credential proves; may hold `*`"),
  user: z.string().min(1).max(64).optional().describe("EST user whose password is proven; may hold `*`"),
  credential: credential.optional(),
});
export const verdict = z.enum(["allow", "deny", "wait"]);
export const rule = z.object({
  id: z.string(),
  position: z.number().int(),
  verdict,
  match: z.object({
    protocol: z.string().optional(),
    profile: z.string().optional(),
    issuer: z.string().optional(),
    serial: z.string().optional(),
    user: z.string().optional(),
    credential: credential.optional(),
  }),
  text: z.string(),
  created: z.number().int(),
});

export const approval = z.object({
  id: z.string(),
  protocol: z.string(),
  run: z.string(),
  state: z.enum(["pending", "approved", "denied", "used", "expired"]),
  evidence: z.record(z.string(), z.unknown()),
  created: z.number().int(),
  decided: z.number().int().optional(),
  decidedBy: z.string().optional(),
});

export const anchor = z.object({
  id: z.string(),
  name: z.string(),
  subject: z.string(),
  notAfter: z.number().int(),
  added: z.number().int(),
});

export const digest = z
  .enum(["sha-256", "md5"])
  .describe("HTTP Digest beside Basic: with SHA-256, or with MD5 as well");
export const estUser = z.object({
  name: z.string(),
  devices: z.string(),
  digest: digest.optional(),
  created: z.number().int(),
});

export const auditHead = z.object({
  sequence: z.number().int(),
  hash: z.string().describe("SHA-256 over the line and the hash of the line before, hex"),
});
export const auditEntry = auditHead.extend({
  tenant: z.string(),
  at: z.number().int(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.unknown()),
});

/** One page of `item`. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item).readonly(), next: z.string().optional() });
}
