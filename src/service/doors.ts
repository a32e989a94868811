import type { AddressList } from "../transport/http/address-list.ts";
import type { ServerCredential } from "../transport/http/device-tls.ts";
import { type HttpListener, type HttpRoute, listenHttps } from "../transport/http/listener.ts";
import type { PreSharedKeys } from "../transport/http/psk.ts";
import { listenPsk } from "../transport/http/psk-listener.ts";
import type { Serving, ServingOptions } from "../transport/http/serve.ts";
import { listenTerminated } from "../transport/http/terminated-listener.ts";

/** How a tenant is reached besides the port for all devices. */
export interface DoorOptions {
  /** Proxies that pass TLS through, and begin each connection with the PROXY protocol's header. */
  readonly proxies?: AddressList | undefined;
  /** Where proxies bring the requests of devices whose TLS ended with them. */
  readonly terminated?: { readonly port: number; readonly terminators: AddressList } | undefined;
  /** Port for devices that have a pre-shared key in place of a certificate. */
  readonly pskPort?: number | undefined;
}

export interface Doors {
  readonly listener: HttpListener;
  readonly terminated: Serving | undefined;
  readonly psk: Serving | undefined;
  readonly close: () => Promise<void>;
}

/** Opens all doors of a tenant, or none; throws what the listeners throw. */
export async function openDoors(
  served: Pick<ServingOptions, "host" | "onError"> & { readonly routes: readonly HttpRoute[] },
  main: { readonly port: number; readonly credential: ServerCredential },
  keys: PreSharedKeys,
  { proxies, terminated, pskPort }: DoorOptions,
): Promise<Doors> {
  const opened: Serving[] = [];
  const close = async () => {
    await Promise.all(opened.map((each) => each.close()));
  };
  const open = async <S extends Serving>(door: Promise<S>): Promise<S> => {
    const serving = await door;
    opened.push(serving);
    return serving;
  };
  const passedThrough = { ...served, ...(proxies === undefined ? {} : { proxies }) };
  try {
    return {
      listener: await open(listenHttps({ ...passedThrough, ...main })),
      terminated: terminated && (await open(listenTerminated({ ...served, ...terminated }))),
      psk: pskPort === undefined ? undefined : await open(listenPsk({ ...passedThrough, port: pskPort, keys })),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Refusals that come of two settings that do not fit, and not of devices. */
export const misconfigured: ReadonlySet<string> = new Set([
  "client-cert-malformed",
  "forwarded-malformed",
  "proxy-header-malformed",
  "proxy-header-missing",
  "proxy-not-listed",
]);
