import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Place, passThrough, terminated } from "./load-balancer.ts";
import { type InteropPeer, installDebianPackages, succeed } from "./peer.ts";

const peer: InteropPeer = {
  protocol: "est",
  peer: "haproxy",
  install: (log) => installDebianPackages(["haproxy", "curl", "openssl"], log),
  async version() {
    return /HAProxy version [\d.]+/.exec(await succeed("haproxy", ["-v"]))?.[0] ?? "unknown";
  },
  variants: [
    passThrough(
      "proxy-v1",
      balancer((place) => tcp(place, "send-proxy")),
    ),
    passThrough(
      "proxy-v2",
      balancer((place) => tcp(place, "send-proxy-v2")),
    ),
    terminated("client-cert", balancer(http)),
  ],
};
export default peer;

function balancer(configuration: (place: Place) => string) {
  return {
    file: "haproxy",
    args(place: Place) {
      const file = join(place.directory, "haproxy.cfg");
      writeFileSync(file, configuration(place));
      return ["-db", "-f", file];
    },
  };
}

function tcp({ port, behind }: Place, how: string): string {
  return `defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen est
  bind 127.0.0.1:${port}
  server hatchery 127.0.0.1:${behind} ${how}
`;
}

/** docs/est.md has the same. */
function http({ port, behind, credential, directory }: Place): string {
  return `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen est
  bind 127.0.0.1:${port} ssl crt ${credential} verify optional ca-file ${join(directory, "acme-ca.pem")} ca-ignore-err all crt-ignore-err all
  http-request del-header Client-Cert
  http-request del-header Client-Cert-Chain
  http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
  http-request set-header Forwarded "for=\\"%[src]:%[src_port]\\";proto=https"
  server hatchery 127.0.0.1:${behind}
`;
}
