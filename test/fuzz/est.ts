// npm run fuzz est [--seed N] [--count N]: damaged input for EST's binding to HTTP, its server and its device.
import { deviceTargets } from "./est/device.ts";
import { httpTargets } from "./est/http.ts";
import { serverTargets } from "./est/server.ts";
import { fuzzAsTold } from "./harness/main.ts";

await fuzzAsTold([...httpTargets(), ...(await serverTargets()), ...(await deviceTargets())]);
