import { subscribe } from "node:diagnostics_channel";

/**
 * Loaded before the service: kills this very process, as a power cut would, at the nth publication on a diagnostics channel.
 * `HATCHERY_TEST_KILL` is `channel#n`. Nothing of the process runs on after the signal that it sends to itself.
 */
const [name = "", nth = ""] = (process.env["HATCHERY_TEST_KILL"] ?? "").split("#");
let left = Number(nth);

subscribe(name, () => {
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
});
