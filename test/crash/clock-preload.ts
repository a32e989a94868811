/**
 * Loaded before the service: moves its wall clock by the next number of `HATCHERY_TEST_JUMPS`, milliseconds with commas between
 * them, at each SIGUSR2.
 */
const jumps = (process.env["HATCHERY_TEST_JUMPS"] ?? "").split(",").map(Number);
const { now } = Date;
let offset = 0;

Date.now = () => now() + offset;
process.on("SIGUSR2", () => {
  offset += jumps.shift() ?? 0;
});
