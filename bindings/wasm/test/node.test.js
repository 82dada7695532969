// The tests in node, on both builds.

import assert from "node:assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { FusedLossError, load } from "../index.js";
import { floatText } from "../text.js";
import { tests } from "./suite.js";

const table = JSON.parse(readFileSync(new URL("table.json", import.meta.url), "utf8"));

for (const build of ["plain", "simd128"]) {
  for (const { name, run } of tests) {
    test(`${build}: ${name}`, async () => {
      const again = () => load({ build });
      await run({ fl: await again(), again, table, FusedLossError, floatText });
    });
  }
}

test("the build is picked at load", async () => {
  assert.equal((await load()).build, "simd128");
  assert.equal((await load({ build: "plain" })).build, "plain");
  const bytes = readFileSync(new URL("../dist/plain.wasm", import.meta.url));
  assert.equal((await load({ bytes })).build, "plain");
  assert.equal((await load({ bytes: new WebAssembly.Module(bytes) })).build, "plain");
  await assert.rejects(load({ build: "fast" }), new TypeError('build is fast, but must be "simd128" or "plain"'));
  const { validate } = WebAssembly;
  try {
    WebAssembly.validate = () => false;
    assert.equal((await load()).build, "plain");
  } finally {
    WebAssembly.validate = validate;
  }
});

test("the ten lines of the README", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, code] = readme.match(/```js\n([^]*?)```/);
  const lines = [];
  const own = code.replace('"fused-loss"', JSON.stringify(new URL("../index.js", import.meta.url).href));
  globalThis.print = (...values) => lines.push(values.join(" "));
  await import(`data:text/javascript,${encodeURIComponent(own.replaceAll("console.log", "print"))}`);
  const shown = [...code.matchAll(/\/\/ (.*)$/gm)].map(([, text]) => text);
  assert.deepEqual(lines, shown);
});
