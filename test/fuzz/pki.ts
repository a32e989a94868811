// npm run fuzz pki [--seed N] [--count N]: damaged input for every decoder below the protocols.
import { fuzzAsTold } from "./harness/main.ts";
import { certificateTargets } from "./pki/certificates.ts";
import { cmcTargets } from "./pki/cmc.ts";
import { cmsTargets } from "./pki/cms.ts";
import { csrAttributesTargets } from "./pki/csr-attributes.ts";
import { encodingTargets } from "./pki/encoding.ts";
import { explainTargets } from "./pki/explain.ts";
import { headTargets } from "./pki/heads.ts";
import { keyTargets } from "./pki/keys.ts";
import { nameTargets } from "./pki/names.ts";
import { ocspTargets } from "./pki/ocsp.ts";
import { revocationTargets } from "./pki/revocation.ts";

await fuzzAsTold([
  ...encodingTargets(),
  ...keyTargets(),
  ...nameTargets(),
  ...(await certificateTargets()),
  ...(await revocationTargets()),
  ...(await ocspTargets()),
  ...(await cmsTargets()),
  ...cmcTargets(),
  ...csrAttributesTargets(),
  ...explainTargets(),
  ...headTargets(),
]);
