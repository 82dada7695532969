// Which opcodes the builds hold: no v128 in the plain one, v128 in the other, and nothing relaxed in either.
// wabt reads the whole code section; its text has one opcode a line.

import { readFileSync } from "node:fs";
import wabtOf from "wabt";

const VECTOR = /^\s*\(?(v128|[if]\d+x\d+)\.[\w.]+/;
const wabt = await wabtOf();
const features = { simd: true, relaxed_simd: true, bulk_memory: true, sign_extension: true, mutable_globals: true, sat_float_to_int: true, multi_value: true, reference_types: true };
let failed = false;

function check(name, right, what) {
  console.log(`${name}: ${what}`);
  if (!right) {
    console.log(`  this must not be`);
    failed = true;
  }
}

/** The vector opcodes of a module, and how many opcodes it has at all. */
function opcodes(bytes) {
  const module = wabt.readWasm(bytes, features);
  const text = module.toText({ foldExprs: false, inlineExport: false });
  module.destroy();
  const lines = text.split("\n").filter((line) => /^\s{4,}[a-z]/.test(line));
  const vector = lines.filter((line) => VECTOR.test(line) || /\bv128\b/.test(line));
  return { all: lines.length, vector };
}

for (const build of ["plain", "simd128"]) {
  const bytes = readFileSync(new URL(`../dist/${build}.wasm`, import.meta.url));
  const { all, vector } = opcodes(bytes);
  const relaxed = vector.filter((line) => line.includes("relaxed"));
  check(build, all > 5000, `${all} lines of code`);
  check(build, (vector.length > 0) === (build === "simd128"), `${vector.length} of them of v128`);
  check(build, relaxed.length === 0, `${relaxed.length} relaxed`);
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
  check(build, imports.length === 0, `${imports.length} imports`);
}
process.exitCode = failed ? 1 : 0;
