import type { Certificate } from "./certificate.ts";
import type { PathError } from "./errors.ts";
import { extensionOf } from "./extensions.ts";
import { extensionTypes, policies } from "./oids.ts";
import { isSelfIssued } from "./path-certificate.ts";
import { refusal } from "./path-errors.ts";
import { certificatePoliciesOf, inhibitAnyPolicyOf, mappedPoliciesOf, policyConstraintsOf } from "./policies.ts";

/**
 * Processes the policies of a path, given from the first certificate to the one that the anchor issued, with the inputs that
 * ask for least (RFC 5280 6.1.1): any policy will do, none has to be there, and mappings are inhibited. So a path fails only
 * where one of its certificates requires an explicit policy and none holds for all of it. The anchor's constraints bind too.
 * Throws PathError `no-valid-policy`, and PkiError. It does not say which policies hold.
 */
export function checkPolicies(path: readonly Certificate[], anchor: Certificate): void {
  const certificates = [anchor, ...path.toReversed()];
  // Nothing else can require a policy, and nearly no certificate has it.
  if (!certificates.some(({ extensions }) => extensionOf(extensions, extensionTypes.policyConstraints))) return;
  let valid: ReadonlySet<string> = new Set([policies.anyPolicy]);
  let explicitPolicy = Number.POSITIVE_INFINITY;
  let inhibitAnyPolicy = Number.POSITIVE_INFINITY;
  for (const [depth, certificate] of certificates.entries()) {
    const { extensions } = certificate;
    // 6.1.3 (d) (2), 6.1.4 (h), 6.1.5 (a): a CA that changes its key does not count, the first certificate always does.
    const isCounted = depth === path.length || !isSelfIssued(certificate);
    const asserted = certificatePoliciesOf(extensions)?.map(({ policyIdentifier }) => policyIdentifier);
    // 6.1.3 (d), (e). An anchor without policies is one for all of them, any other certificate one for none.
    if (asserted !== undefined || depth > 0)
      valid = narrowed(valid, asserted ?? [], inhibitAnyPolicy > 0 || !isCounted);
    // 6.1.3 (f).
    if (explicitPolicy === 0 && valid.size === 0) throw noPolicy(certificate);
    if (depth < path.length) {
      // 6.1.4 (b) (2): what is mapped for the certificates below is lost.
      const mapped = mappedPoliciesOf(extensions) ?? [];
      valid = new Set([...valid].filter((policy) => !mapped.includes(policy)));
    }
    // 6.1.4 (h) to (j), 6.1.5 (a) and (b).
    const constraint = policyConstraintsOf(extensions)?.requireExplicitPolicy;
    explicitPolicy = Math.min(isCounted ? lessOne(explicitPolicy) : explicitPolicy, constraint ?? explicitPolicy);
    const inhibition = inhibitAnyPolicyOf(extensions);
    inhibitAnyPolicy = Math.min(
      isCounted ? lessOne(inhibitAnyPolicy) : inhibitAnyPolicy,
      inhibition ?? inhibitAnyPolicy,
    );
  }
  // 6.1.5 (g).
  if (explicitPolicy === 0 && valid.size === 0) throw noPolicy(path[0] ?? anchor);
}

/** Without mappings the tree of 6.1.3 (d) is the set of the policies that all certificates so far assert. */
function narrowed(valid: ReadonlySet<string>, asserted: readonly string[], allowsAny: boolean): ReadonlySet<string> {
  const kept = asserted.filter(
    (policy) => policy !== policies.anyPolicy && (valid.has(policy) || valid.has(policies.anyPolicy)),
  );
  return new Set(allowsAny && asserted.includes(policies.anyPolicy) ? [...valid, ...kept] : kept);
}

function lessOne(count: number): number {
  return Math.max(count - 1, 0);
}

function noPolicy(certificate: Certificate): PathError {
  return refusal(
    "no-valid-policy",
    certificate,
    "is under a CA that requires a policy, and none holds for the whole path",
  );
}
