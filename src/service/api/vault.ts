import { z } from "zod";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { vaultSources } from "../vault/key-file.ts";
import { type ApiContext, localActor } from "./context.ts";

/** The vault's keys: which there are, and new ones. */
export function vaultRoutes(app: ApiApp, { rekeying }: Pick<ApiContext, "rekeying">): void {
  app.get(
    "/api/v1/vault",
    {
      schema: {
        summary: "Where the vault's key comes from, and what is sealed with which data key",
        response: { 200: vault },
      },
    },
    async () => {
      const { keys, ...rest } = await rekeying.status();
      return { ...rest, keys: [...keys] };
    },
  );

  app.post(
    "/api/v1/vault/rekey",
    {
      schema: {
        summary: "Seal everything with a new data key; done when one key is left",
        body: z.strictObject({
          source: z
            .enum(vaultSources)
            .optional()
            .describe("where the key comes from that wraps it; as now unless given"),
          passphrase: z.string().max(1024).optional().describe("the new passphrase, for the source `passphrase`"),
          environmentKey: z.string().max(64).optional().describe("base64 of the new 32 octets, for the source `env`"),
        }),
        response: { 200: vault },
      },
    },
    async ({ body: { source, passphrase, environmentKey } }) => {
      const secrets = {
        ...(passphrase === undefined ? {} : { passphrase: async () => passphrase }),
        ...(environmentKey === undefined ? {} : { environmentKey }),
      };
      await rekeying.begin({ secrets, ...(source === undefined ? {} : { source }) }, localActor);
      const { keys, ...rest } = await rekeying.status();
      return { ...rest, keys: [...keys] };
    },
  );
}

const vault = z.object({
  source: z.enum(vaultSources),
  keys: z.array(
    z.object({
      id: z.string(),
      state: z.enum(["current", "retiring"]),
      created: z.number().int(),
      sealed: z.number().int().describe("values that it sealed"),
    }),
  ),
  problem: z.string().optional().describe("code of what keeps the retiring key from going"),
});
