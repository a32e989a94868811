// Preloaded into each test file's process. A file that leaves something running is to end all the same, and to fail:
// --test-force-exit would end it sooner, and cut off results that the runner has not read yet.
import { after } from "node:test";

const grace = 10_000;

// The runner sets it for the processes of the files, and has no tests itself.
if (process.env.NODE_TEST_CONTEXT !== undefined)
  after(() => {
    const timer = setTimeout(() => {
      console.error(`${process.argv[1]} still runs after its tests: ${process.getActiveResourcesInfo().join(", ")}`);
      process.exit(1);
    }, grace);
    timer.unref();
  });
