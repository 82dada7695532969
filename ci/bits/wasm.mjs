// Runs the corpus in this engine: node wasm.mjs NAME FILE.
import { readFileSync } from "node:fs";

const [name, file] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(file));
const place = instance.exports.first_difference();
if (place === 0) {
    console.log(`wasm ${name}, unfused: identical`);
} else {
    const lines = readFileSync(new URL("hashes.txt", import.meta.url), "utf8").split("\n");
    console.log(`wasm ${name}, unfused: the first difference is ${lines[place - 1]}`);
    process.exitCode = 1;
}
