import { run } from "./harness.js";

const module = new URLSearchParams(location.search).get("of");
try {
  await import(`./${module}.test.js`);
  globalThis.outcome = await run();
} catch (error) {
  globalThis.outcome = { passed: [], failed: [String(error)] };
}
