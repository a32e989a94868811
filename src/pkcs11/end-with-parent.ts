import { DynamicLibrary } from "node:ffi";

/**
 * Ends this process, which holds the PIN, with its parent. A module that blocks keeps "disconnect" from being heard; Linux
 * ends the process then all the same. Elsewhere one that blocks outlives a parent that is killed.
 */
export function endWithParent(): void {
  process.on("disconnect", () => process.exit());
  if (process.platform !== "linux") return;
  const prctl = new DynamicLibrary(null).getFunction("prctl", { arguments: ["int32", "uint64"], return: "int32" });
  prctl(parentDeathSignal, kill);
}

/** PR_SET_PDEATHSIG and SIGKILL of Linux. */
const parentDeathSignal = 1;
const kill = 9n;
