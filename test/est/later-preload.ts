/** Loaded before a device: its wall clock is `HATCHERY_TEST_LATER` milliseconds ahead, so that its certificate is an old one. */
const { now } = Date;
const ahead = Number(process.env["HATCHERY_TEST_LATER"]);

Date.now = () => now() + ahead;
