import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Place, passThrough, terminated } from "./load-balancer.ts";
import { command, type InteropPeer, installDebianPackages } from "./peer.ts";

const peer: InteropPeer = {
  protocol: "est",
  peer: "nginx",
  install: (log) => installDebianPackages(["nginx-light", "libnginx-mod-stream", "curl", "openssl"], log),
  async version() {
    return /nginx\/[\d.]+/.exec((await command("nginx", ["-v"])).output)?.[0] ?? "unknown";
  },
  variants: [passThrough("proxy-v1", balancer(stream)), terminated("client-cert", balancer(http))],
};
export default peer;

function balancer(configuration: (place: Place) => string) {
  return {
    file: "nginx",
    args(place: Place) {
      const own = join(place.directory, "nginx");
      mkdirSync(own, { recursive: true });
      const file = join(own, "nginx.conf");
      writeFileSync(file, `${configuration(place)}daemon off;\npid ${own}/pid;\nerror_log stderr;\nevents {}\n`);
      return ["-p", own, "-e", "stderr", "-c", file];
    },
  };
}

function stream({ port, behind }: Place): string {
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
stream {
  server {
    listen 127.0.0.1:${port};
    proxy_pass 127.0.0.1:${behind};
    proxy_protocol on;
  }
}
`;
}

/** nginx knows the certificate in PEM alone: the map takes the armour and the line ends away, for up to 40 lines of it. */
function http({ port, behind, credential, directory }: Place): string {
  const lines = Array.from({ length: 40 }, (_, index) => `line${index}`);
  const pattern = lines.map((name) => `(?<${name}>[A-Za-z0-9+/=]*)\\n?`).join("");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path temp;`);
  return `http {
  access_log off;
  ${temporary.join("\n  ")}
  map $ssl_client_raw_cert $client_cert {
    "~^-----BEGIN CERTIFICATE-----\\n${pattern}-----END CERTIFICATE-----\\n?$" ":${lines.map((name) => `$${name}`).join("")}:";
    default "";
  }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${credential};
    ssl_certificate_key ${credential};
    ssl_client_certificate ${join(directory, "acme-ca.pem")};
    ssl_verify_client optional_no_ca;
    location /.well-known/est/ {
      proxy_pass http://127.0.0.1:${behind};
      proxy_set_header Client-Cert $client_cert;
      proxy_set_header Client-Cert-Chain "";
      proxy_set_header Forwarded "for=\\"$remote_addr:$remote_port\\";proto=https";
    }
  }
}
`;
}
