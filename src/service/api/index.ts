import { z } from "zod";
import { codeOf, messageOf } from "../../core/errors.ts";
import type { Pkcs11ErrorCode } from "../../pkcs11/index.ts";
import type { StoreErrorCode } from "../../store/errors.ts";
import { type ApiApp, type ApiError, createApiApp } from "../../transport/http/api-app.ts";
import { storeErrors } from "../store-failures.ts";
import { approvalRoutes } from "./approvals.ts";
import { auditRoutes } from "./audit.ts";
import { caRoutes } from "./ca.ts";
import { ownCaRoutes } from "./ca-own.ts";
import { caProfileRoutes } from "./ca-profiles.ts";
import { type ApiContext, localActor } from "./context.ts";
import { credentialRoutes } from "./credentials.ts";
import { deviceRoutes } from "./devices.ts";
import { estKeyRoutes } from "./est-keys.ts";
import { estPskRoutes } from "./est-psks.ts";
import { policyRoutes } from "./policy.ts";
import { runRoutes } from "./runs.ts";
import { vaultRoutes } from "./vault.ts";

/** The API of the service: everything that the command line and the console can do, and its OpenAPI 3.1 document. */
export async function createApi(context: ApiContext, onError: (error: unknown) => void): Promise<ApiApp> {
  const errorOf = (error: unknown) => {
    // The operator who reads the log hears of these as well: they are nobody's fault who asks.
    if (storeErrors.has(codeOf(error))) onError(error);
    return answerTo(error);
  };
  const app = await createApiApp({ title: "Hatchery", version: context.status().version, errorOf, onError });

  app.get(
    "/api/v1/status",
    {
      schema: {
        summary: "What runs, and where devices reach it",
        response: {
          200: z.object({
            version: z.string(),
            started: z.number().int(),
            data: z.string(),
            database: z.string(),
            databaseProblem: z.string().optional().describe("why it cannot be used now"),
            listeners: z.array(
              z.object({
                tenant: z.string(),
                protocol: z.string(),
                url: z.string(),
                door: z
                  .enum(["client-cert", "psk"])
                  .optional()
                  .describe("for whom it is, when not for devices themselves"),
              }),
            ),
            publication: z.string(),
          }),
        },
      },
    },
    async () => {
      const { listeners, ...status } = context.status();
      const problem = await databaseProblem(context);
      return {
        ...status,
        listeners: [...listeners],
        ...(problem === undefined ? {} : { databaseProblem: problem }),
      };
    },
  );

  app.delete(
    "/api/v1/demo",
    {
      schema: {
        summary: "Forget the demo tenant and all that belongs to it",
        response: { 200: z.object({ removed: z.literal("demo") }) },
      },
    },
    async () => {
      await context.removeDemo();
      return { removed: "demo" as const };
    },
  );

  deviceRoutes(app, context);
  runRoutes(app, context);
  policyRoutes(app, context);
  approvalRoutes(app, context);
  credentialRoutes(app, context);
  estKeyRoutes(app, context);
  estPskRoutes(app, context);
  caRoutes(app, context);
  caProfileRoutes(app, context);
  ownCaRoutes(app, context);
  auditRoutes(app, context);
  vaultRoutes(app, context);
  return app;
}

/** Why the store does not answer a small question; undefined when it does. */
async function databaseProblem({ store, clock }: ApiContext): Promise<string | undefined> {
  const limit = new AbortController();
  try {
    return await Promise.race([
      store.vaultKeys.list().then(() => undefined, messageOf),
      clock.sleep(databasePatience, limit.signal).then(() => "it has not answered for 2 seconds"),
    ]);
  } finally {
    limit.abort();
  }
}

/** One table: what the caller of the API gets for an error. What has no row is ours, and its message stays inside. */
function answerTo(error: unknown): ApiError | undefined {
  const status = statuses[codeOf(error)];
  return status === undefined ? undefined : { status, code: codeOf(error), message: messageOf(error) };
}

/** Milliseconds: whoever asks for the status wants to hear now that the database is away. */
const databasePatience = 2_000;

const statuses: { readonly [code: string]: number } & Readonly<Record<StoreErrorCode | Pkcs11ErrorCode, number>> = {
  "not-found": 404,
  invalid: 400,
  "page-invalid": 400,
  exists: 409,
  conflict: 409,
  "guard-lost": 409,
  "rekey-under-way": 409,
  "rekey-unknown": 503,
  "rekeyed-elsewhere": 503,
  "hsm-uri": 400,
  "hsm-refused": 409,
  "hsm-key-missing": 404,
  "hsm-module": 503,
  "hsm-token-missing": 503,
  "hsm-pin-wrong": 503,
  "hsm-pin-locked": 503,
  "hsm-failed": 503,
  "hsm-signature": 503,
  "hsm-timeout": 503,
  "hsm-busy": 503,
  "hsm-crashed": 503,
  "hsm-closed": 503,
  "passphrase-missing": 400,
  "passphrase-weak": 400,
  "vault-key-missing": 400,
  "vault-key-malformed": 400,
  contended: 503,
  overloaded: 503,
  "upstream-unusable": 503,
  "store-failed": 503,
  "store-unreachable": 503,
  "store-unsuitable": 503,
  "store-missing": 503,
  "store-newer": 503,
  "commit-unknown": 503,
  "data-in-use": 503,
  "store-closed": 503,
  "store-replaced": 503,
  "store-full": 507,
};

export type { ApiContext, ServiceStatus } from "./context.ts";
export { localActor };
