// npm run bench est [--json]: what one EST enrolment costs the service, and what it could not cost less.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Hatchery, startHatchery } from "../interop/hatchery.ts";
import type { Run } from "../src/knowledge/run.ts";
import { type BenchConnection, openConnection } from "./connection.ts";
import { type BenchAuthority, type BenchDevice, makeAuthority, makeDevice } from "./devices.ts";
import { bareServer, type PublicKeyFloors, publicKeyFloors, rowsFloor } from "./floors.ts";
import { cpuTimeOf, inFlight, median } from "./measure.ts";
import { figuresOf, type Measured, type Sample, type Scenario, textOf } from "./report.ts";
import { addedByEach, rowsIn } from "./rows.ts";

const concurrency = 64;
const warmUpRounds = 2;
const measuredRounds = 5;
const scenarios: readonly Scenario[] = [
  { name: "kept connection", connection: "kept", inFlight: concurrency, count: 300 },
  { name: "new connection", connection: "new", inFlight: concurrency, count: 300 },
  { name: "new connection, one at a time", connection: "new", inFlight: 1, count: 50 },
];
let devicesMade = 0;

const { values } = parseArgs({ options: { json: { type: "boolean" }, "cpu-prof": { type: "string" } } });
const directory = mkdtempSync(join(tmpdir(), "hatchery-bench-"));
try {
  const figures = figuresOf(await measure(values["cpu-prof"]));
  console.log(values.json === true ? JSON.stringify(figures) : textOf(figures));
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** `profile` is a directory for a CPU profile of the service. */
async function measure(profile: string | undefined): Promise<Measured> {
  const nodeOptions = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  tell("starting the service");
  const hatchery = await startHatchery({ directory, nodeOptions });
  try {
    const manufacturer = await makeAuthority("bench manufacturer");
    const file = join(directory, "manufacturer.pem");
    writeFileSync(file, manufacturer.certificate);
    await hatchery.cli("trust", "add", file, "--name", "bench");
    await hatchery.cli("rule", "add", "allow", "--issuer", "bench");
    const service: Target = { pid: hatchery.pid, port: Number(new URL(hatchery.url).port) };
    const root = await readFile(hatchery.root, "utf8");
    const [first] = await makeDevices(manufacturer, root, 1);
    const { body, version } = await enrollOne(service, first as BenchDevice);
    const bare = await bareServer(body.length);
    try {
      const batch = (size: number) => makeDevices(manufacturer, root + bare.root, size);
      return { ...(await rounds(hatchery, service, bare, batch)), tls: version };
    } finally {
      bare.stop();
    }
  } finally {
    await hatchery.stop();
  }
}

async function rounds(
  hatchery: Hatchery,
  service: Target,
  bare: Target,
  batch: (size: number) => Promise<readonly BenchDevice[]>,
): Promise<Omit<Measured, "tls">> {
  const taken = scenarios.map((scenario) => ({
    scenario,
    service: [] as Sample[],
    bare: [] as Sample[],
    durable: [] as number[],
  }));
  const publicKey: PublicKeyFloors[] = [];
  const database = join(hatchery.data, "hatchery.db");
  const [load = 0] = loadavg();

  // The first rounds warm both servers up, and show which rows an enrolment adds.
  const before = rowsIn(database);
  let enrolled = 0;
  for (let round = 0; round < warmUpRounds; round += 1) {
    tell(`warm-up round ${round + 1} of ${warmUpRounds}`);
    for (const scenario of scenarios) {
      const devices = await batch(scenario.count);
      await runBatch(service, scenario, devices);
      await runBatch(bare, scenario, devices);
      enrolled += scenario.count;
    }
  }
  const rows = addedByEach(before, rowsIn(database), enrolled);

  for (let round = 0; round < measuredRounds; round += 1) {
    tell(`round ${round + 1} of ${measuredRounds}`);
    publicKey.push(publicKeyFloors());
    for (const { scenario, service: ours, bare: bares, durable } of taken) {
      const devices = await batch(scenario.count);
      ours.push(await runBatch(service, scenario, devices));
      bares.push(await runBatch(bare, scenario, devices));
      durable.push(rowsFloor(directory, rows, scenario.inFlight));
    }
  }
  return {
    machine: { node: process.version, processors: availableParallelism(), load },
    operations: await countedOperations(hatchery),
    rows,
    floors: {
      verify: median(publicKey.map(({ verify }) => verify)),
      sign: median(publicKey.map(({ sign }) => sign)),
      agree: median(publicKey.map(({ agree }) => agree)),
    },
    scenarios: taken,
  };
}

/** Progress goes to stderr: stdout holds the result alone. */
function tell(progress: string): void {
  console.error(`est: ${progress}`);
}

interface Target {
  readonly pid: number;
  readonly port: number;
}

/** Lets the devices enrol at `target`; nothing but that happens while its CPU time is taken. */
async function runBatch(target: Target, scenario: Scenario, devices: readonly BenchDevice[]): Promise<Sample> {
  const kept = scenario.connection === "kept" ? await openAll(target, devices) : undefined;

  const latencies: number[] = [];
  let bytes = 0;
  const cpu = cpuTimeOf(target.pid);
  const began = performance.now();
  await inFlight(devices, scenario.inFlight, async (device, index) => {
    const start = performance.now();
    const connection = kept?.[index] ?? (await openConnection(target.port, device.context));
    const earlier = kept === undefined ? 0 : connection.bytes();
    await succeeding(connection, device.enroll);
    latencies.push(performance.now() - start);
    bytes += connection.bytes() - earlier;
    connection.close();
  });
  return {
    milliseconds: performance.now() - began,
    cpu: (cpuTimeOf(target.pid) - cpu) / scenario.count,
    latencies,
    bytes: bytes / scenario.count,
  };
}

/** One connection for each device, on which it has already read the CA's certificates. */
async function openAll(target: Target, devices: readonly BenchDevice[]): Promise<readonly BenchConnection[]> {
  const connections: BenchConnection[] = [];
  await inFlight(devices, concurrency, async ({ context, cacerts }, index) => {
    const connection = await openConnection(target.port, context);
    await succeeding(connection, cacerts);
    connections[index] = connection;
  });
  return connections;
}

async function enrollOne(target: Target, device: BenchDevice) {
  const connection = await openConnection(target.port, device.context);
  const { body } = await succeeding(connection, device.enroll);
  connection.close();
  return { body, version: connection.version };
}

async function succeeding(connection: BenchConnection, request: Uint8Array) {
  const answer = await connection.exchange(request);
  if (answer.status !== 200) throw new Error(`the server answered ${answer.status}: ${answer.body}`);
  return answer;
}

/** New devices, each of which trusts the roots in `anchors`. */
async function makeDevices(manufacturer: BenchAuthority, anchors: string, count: number): Promise<BenchDevice[]> {
  const devices: BenchDevice[] = [];
  for (; devices.length < count; devicesMade += 1)
    devices.push(await makeDevice(manufacturer, `BENCH-${devicesMade}`, anchors));
  return devices;
}

/** Signatures made and verified for one enrolment outside TLS, as the ledger of the newest run counts them. */
async function countedOperations(hatchery: Hatchery): Promise<Measured["operations"]> {
  const runs = "/api/v1/tenants/default/runs";
  const { items } = await hatchery.api<{ readonly items: readonly { readonly id: string }[] }>(
    "GET",
    `${runs}?limit=1`,
  );
  const { run } = await hatchery.api<{ readonly run: Run }>("GET", `${runs}/${items[0]?.id}`);
  const counted = (operation: string) =>
    run.events.filter(
      (event) => event.kind === "operation" && event.evidence === "counted" && event.operation === operation,
    ).length;
  return { sign: counted("sign"), verify: counted("verify") };
}
