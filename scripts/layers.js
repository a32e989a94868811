// Which file may import what. The table below is the law of the house (architecture: "Layers and rooms"); the rules
// after it hold each import of each source file against it.
import { builtinModules } from "node:module";
import { dirname, join, relative } from "node:path/posix";
import { importsOf } from "./imports.js";

const anyNode = ["*"];
const pure = ["buffer"];
const computing = ["buffer", "crypto", "util"];
const host =
  "async_hooks buffer diagnostics_channel events os path process stream timers timers/promises url util".split(" ");

/**
 * One line for each room: its layer, the Node.js modules and the npm packages that it may use.
 * A room that is not here does not exist, a package that is in no line is not used. `oracles` are for tests alone.
 */
const rooms = {
  core: { layer: 0, node: pure },
  encoding: { layer: 1, node: pure },
  crypto: { layer: 2, node: computing },
  pki: { layer: 3, node: computing },
  cose: { layer: 3, node: pure },
  jws: { layer: 3, node: pure },
  knowledge: { layer: 3, node: pure },
  // A vendor's module may crash or block: it runs in a process of its own, which calls it over node:ffi.
  pkcs11: { layer: 3, node: ["buffer", "child_process", "crypto", "ffi", "url"] },
  voucher: { layer: 4, node: pure },
  store: {
    layer: 4,
    node: [...host, "crypto", "fs", "fs/promises", "sqlite", "worker_threads"],
    packages: ["kysely", "pg"],
    oracles: ["@electric-sql/pglite"],
  },
  transport: {
    layer: 4,
    node: [...host, "crypto", "dgram", "http", "http2", "https", "net", "tls", "zlib"],
    packages: ["fastify", "@fastify/*", "fastify-type-provider-zod"],
  },
  // `types` are rooms of which only types may be imported, `never` are lower rooms of which nothing may.
  protocols: { layer: 5, node: pure, types: ["transport"], never: ["store"] },
  service: {
    layer: 6,
    node: [...host, "crypto", "fs", "fs/promises", "worker_threads"],
    packages: ["fastify", "@fastify/*", "fastify-type-provider-zod", "pino", "zod"],
  },
  device: { layer: 6, node: [...host, "fs", "fs/promises", "readline", "readline/promises", "tty"] },
  lab: { layer: 7, node: [...host, "child_process", "fs", "fs/promises", "worker_threads"], packages: ["zod"] },
  cli: {
    layer: 8,
    node: [...host, "child_process", "fs", "fs/promises", "readline", "readline/promises", "tty"],
    packages: ["cli-table3", "commander", "zod"],
  },
};

/** What single files may do beyond their room. */
const files = {
  "src/core/randomness.ts": { node: ["crypto"] },
  // The API's socket has mode 0600 in a directory of mode 0700.
  "src/transport/http/unix.ts": { node: ["fs", "fs/promises"] },
};

/** Files of a types-only room that hold nothing but types and pure functions over them. */
const pureFiles = ["src/transport/http/message.ts"];

/** Protocol rooms that build on another, through its index.ts only. */
const siblings = { brski: ["est"], lwm2m: ["est"], thread: ["brski"] };

const wire = ["core", "encoding", "cose", "jws", "pki", "voucher"];
const binding = [...wire, "crypto", "transport", "sibling"];
const role = [...binding, "knowledge", "ports"];

/**
 * The furniture of a protocol room: for each file name (or folder of that name) the rooms and the furniture of the same
 * room that it may import. "role" is every other name; each name may be split (`http.ts`, `http-body.ts`) and import its own kind.
 */
const furniture = {
  constants: { rooms: ["core"], own: [] },
  errors: { rooms: ["core"], own: ["constants"] },
  messages: { rooms: [...wire, "sibling"], own: ["constants", "errors"] },
  keys: { rooms: ["core", "encoding", "crypto"], own: ["constants", "errors", "messages"] },
  http: { rooms: binding, own: ["constants", "errors", "messages", "keys"] },
  coap: { rooms: binding, own: ["constants", "errors", "messages", "keys"] },
  role: { rooms: role, own: ["constants", "errors", "messages", "keys", "http", "coap"] },
  survey: { rooms: ["knowledge"], own: [] },
  index: { rooms: role, own: ["constants", "errors", "messages", "keys", "http", "coap", "role", "survey"] },
};

/**
 * Holds sources against the table.
 *
 * @param {ReadonlyMap<string, string>} sources text by path from the project's root, such as `src/core/bytes.ts`
 * @returns {{ rule: string, path: string, line: number, message: string }[]} empty when all is well
 */
export function violations(sources) {
  const found = [];
  const graph = new Map();
  for (const [path, text] of sources) {
    if (!path.startsWith("src/")) continue;
    const room = roomOf(path);
    const report = (rule, line, message) => found.push({ rule, path, line, message });
    if (room === undefined) {
      report("room", 1, `stands in no room of the table in scripts/layers.js`);
      continue;
    }
    const edges = new Map();
    graph.set(path, edges);
    for (const { specifier, typeOnly, line } of importsOf(text)) {
      const wrong = (rule, message) => report(rule, line, message);
      if (specifier === undefined) wrong("computed", "imports a module whose name is not one plain string");
      else if (/^\.\.?\//.test(specifier)) {
        const target = join(dirname(path), specifier);
        if (sources.has(target)) edges.set(target, line);
        checkFile(path, target, typeOnly, wrong);
      } else if (isNode(specifier)) checkNode(path, room, specifier, wrong);
      else checkPackage(path, room, specifier, wrong);
    }
  }
  for (const cycle of cycles(graph))
    found.push({
      rule: "cycle",
      path: cycle[0],
      line: graph.get(cycle[0]).get(cycle[1]),
      message: `imports itself: ${cycle.join(" -> ")}`,
    });
  return found;
}

function checkFile(path, target, typeOnly, wrong) {
  const test = isTest(path);
  const from = roomOf(path);
  const to = roomOf(target);
  if (to === undefined) {
    if (test && target.startsWith("test/")) return undefined;
    return wrong("outside", `imports ${target}, which stands in no room`);
  }
  if (isTest(target) && !test) return wrong("test-file", `imports ${target}, which is a file for tests`);
  if (from === "protocols") return checkProtocol(path, target, typeOnly, wrong);
  if (from !== to && rooms[to].layer >= rooms[from].layer)
    return wrong(
      "layer",
      `imports ${target}, but ${from} (layer ${rooms[from].layer}) stands not above ${to} (layer ${rooms[to].layer})`,
    );
  return undefined;
}

function checkProtocol(path, target, typeOnly, wrong) {
  const test = isTest(path);
  const to = roomOf(target);
  const here = protocolOf(path);
  const there = to === "protocols" ? protocolOf(target) : undefined;

  if (to !== "protocols") {
    if (rooms[to].layer >= rooms.protocols.layer)
      return wrong("layer", `imports ${target}, but protocols stand not above ${to}`);
    if (test) return undefined;
    if (rooms.protocols.never.includes(to))
      return wrong("layer", `imports ${target}, but protocols never import ${to}`);
    if (rooms.protocols.types.includes(to) && !typeOnly && !pureFiles.includes(target))
      return wrong("types-only", `imports ${target}, but protocols import only types of ${to}: use "import type"`);
    if (here === undefined) return undefined;
    return furnish(path, to, target, wrong);
  }
  // Files beside the protocol rooms, such as ports.ts, know none of them.
  if (here === undefined)
    return there === undefined
      ? undefined
      : wrong("sibling", `imports ${target}, but it stands beside the protocol rooms`);
  if (there === undefined) return test ? undefined : furnish(path, "ports", target, wrong);
  if (here !== there) {
    if (!(siblings[here] ?? []).includes(there))
      return wrong("sibling", `imports ${target}, but ${here} does not build on ${there}`);
    if (target !== `src/protocols/${there}/index.ts`)
      return wrong("sibling", `imports ${target}, but another protocol is imported through its index.ts`);
    return test ? undefined : furnish(path, "sibling", target, wrong);
  }
  if (test) return undefined;
  const kind = furnitureOf(path);
  const other = furnitureOf(target);
  if (kind !== other && !furniture[kind].own.includes(other))
    return wrong("furniture", `imports ${target}, but ${named(kind)} does not import ${named(other)}`);
  return undefined;
}

function furnish(path, what, target, wrong) {
  const kind = furnitureOf(path);
  if (furniture[kind].rooms.includes(what)) return undefined;
  return wrong("furniture", `imports ${target}, but ${named(kind)} of a protocol does not import ${what}`);
}

function checkNode(path, room, specifier, wrong) {
  if (!specifier.startsWith("node:")) return wrong("node", `imports ${specifier} without "node:" before it`);
  const allowed = isTest(path) ? anyNode : [...rooms[room].node, ...(files[path]?.node ?? [])];
  if (allowed.includes("*") || allowed.includes(specifier.slice("node:".length))) return undefined;
  return wrong("node", `imports ${specifier}, which ${room} does not use`);
}

function checkPackage(path, room, specifier, wrong) {
  const parts = specifier.split("/");
  const name = parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
  if (isTest(path) && (name === "fast-check" || (rooms[room].oracles ?? []).includes(name))) return undefined;
  const allowed = rooms[room].packages ?? [];
  if (allowed.includes(name) || allowed.includes(`${parts[0]}/*`)) return undefined;
  return wrong("package", `imports the package ${name}, which ${room} does not use`);
}

/** One cycle, as a path that ends where it begins, for each knot of files that import one another. */
function cycles(graph) {
  const found = [];
  const done = new Set();
  const trail = [];
  const visit = (path) => {
    if (done.has(path)) return;
    const start = trail.indexOf(path);
    if (start !== -1) {
      found.push([...trail.slice(start), path]);
      return;
    }
    trail.push(path);
    for (const target of graph.get(path)?.keys() ?? []) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return found;
}

function roomOf(path) {
  const [top, room, ...rest] = path.split("/");
  return top === "src" && rest.length > 0 && Object.hasOwn(rooms, room) ? room : undefined;
}

/** The protocol whose room holds the file; undefined for files beside the rooms. */
function protocolOf(path) {
  const inside = relative("src/protocols", path).split("/");
  return inside.length > 1 ? inside[0] : undefined;
}

function furnitureOf(path) {
  const [name] = path.split("/")[3].replace(/\.ts$/, "").split("-", 1);
  return name !== "role" && Object.hasOwn(furniture, name) ? name : "role";
}

const named = (kind) => (kind === "role" ? "a role" : `${kind}.ts`);
const isTest = (path) => /\.(test|test-support|test-suite)\.ts$/.test(path);
const isNode = (specifier) => specifier.startsWith("node:") || builtinModules.includes(specifier);
