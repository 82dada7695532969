// The tests in headless Chromium, on both builds, over a local server. CHROMIUM names the browser.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { chromium } from "playwright-core";

const root = new URL("../", import.meta.url);
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json", ".html": "text/html" };
const PAGE = "<!doctype html><meta charset=utf-8><title>fused-loss</title>";

const server = createServer(async (request, response) => {
  const path = new URL(request.url, "http://localhost").pathname;
  // With these, pages have SharedArrayBuffer.
  const headers = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
  try {
    const body = path === "/" ? PAGE : await readFile(new URL(`.${path}`, root));
    response.writeHead(200, { ...headers, "content-type": path === "/" ? "text/html" : TYPES[extname(path)] ?? "application/octet-stream" });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let failed = 0;
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  for (const build of ["plain", "simd128"]) {
    const results = await page.evaluate(async (build) => {
      const { FusedLossError, load } = await import("/index.js");
      const { floatText } = await import("/text.js");
      const { tests } = await import("/test/suite.js");
      const table = await (await fetch("/test/table.json")).json();
      const results = [];
      for (const { name, run } of tests) {
        const again = () => load({ build });
        try {
          await run({ fl: await again(), again, table, FusedLossError, floatText });
          results.push({ name });
        } catch (error) {
          results.push({ name, error: String(error.stack ?? error) });
        }
      }
      return results;
    }, build);
    for (const { name, error } of results.filter(({ error }) => error)) console.log(`${build}: ${name}\n  ${error}`);
    const wrong = results.filter(({ error }) => error).length;
    console.log(`${build}: ${results.length - wrong} passed, ${wrong} failed`);
    failed += wrong + (results.length === 0);
  }
  const picked = await page.evaluate(async () => (await (await import("/index.js")).load()).build);
  console.log(`picked: ${picked}`);
  if (picked !== "simd128") failed += 1;
  const inWorker = await page.evaluate(async () => {
    const code = `import { load } from "${location.origin}/index.js"; load().then(({ build, loss }) =>
      postMessage([build, loss("mse").sum(Float32Array.of(3), Float32Array.of(1)).value]));`;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
    return new Promise((done, fail) => ((worker.onmessage = ({ data }) => done(data)), (worker.onerror = fail)));
  });
  console.log(`in a worker: ${inWorker.join(", ")}`);
  if (inWorker.join() !== "simd128,4") failed += 1;
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failed ? 1 : 0;
