import { setImmediate } from "node:timers/promises";
import { hex } from "../core/bytes.ts";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import type { RevocationReason } from "../pki/crl-reasons.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { openAuthority } from "./authority.ts";
import { sealedKeyKeeper } from "./key-keeper.ts";
import { openPublication } from "./publication.ts";
import { unsealed } from "./vault/fixtures.test-support.ts";

/** What the tests of publication share: a tenant with a CA of its own in memory, whose time stands still. */

export const tenant = "default";
export const hour = 3_600_000;
export const day = 24 * hour;
export const start = Date.UTC(2026, 5, 1, 12);

export async function house() {
  const clock = new ManualClock(start);
  const store = await openSqliteStore(":memory:", { clock });
  const randomness = seededRandomness("publication");
  const keys = sealedKeyKeeper({ store, vault: unsealed });
  const parts = { store, clock, randomness, keys, publicationUrl: "http://pki.example" };
  await store.commit([store.tenants.ensure({ tenant, created: start })]);
  const own = await openAuthority(tenant, parts);
  /** How often the CA has signed, and why it cannot. */
  const signed = { count: 0, failure: undefined as Error | undefined };
  const authority: typeof own = {
    ...own,
    async signer(ca) {
      const signer = await own.signer(ca);
      return {
        ...signer,
        sign(data) {
          if (signed.failure !== undefined) throw signed.failure;
          signed.count += 1;
          return signer.sign(data);
        },
      };
    },
  };
  const errors: unknown[] = [];
  const { issuing } = await own.hierarchy();
  return {
    ...parts,
    authority,
    signed,
    errors,
    issuing: issuing.certificate,
    open: () => openPublication(tenant, { ...parts, authority, onError: (error) => errors.push(error) }),
    async issue(name = "lamp", profile = "device"): Promise<Certificate> {
      const issued = await own.issue({
        profile,
        subject: encodeName([{ type: attributeTypes.commonName, value: name }]),
        publicKey: signerOf(generateKey("P-256")).publicKey,
        run: "run",
      });
      if (issued.kind !== "issued") throw new Error(issued.kind);
      await store.commit(issued.writes);
      return parseCertificate(issued.certificate);
    },
    revoke: (certificate: Certificate, reason: RevocationReason = "keyCompromise") =>
      store.commit([store.authorities.revoke(tenant, "issuing-1", hex(certificate.serialNumber), clock.now(), reason)]),
    /** Lets time pass until what waits for it has run. */
    async pass(milliseconds: number, until: () => boolean): Promise<void> {
      for (let round = 0; round < 1_000 && !until(); round += 1) {
        if (round === 0) clock.advance(milliseconds);
        await setImmediate();
      }
    },
  };
}
