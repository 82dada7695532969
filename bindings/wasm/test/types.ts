// What the types promise, for `tsc --noEmit`; lines after @ts-expect-error must be errors.

import { FusedLossError, load, type WasmArray } from "../index.js";

const { loss, softmax, memory, losses, build } = await load({ build: "plain" });
const [pred, target] = [Float32Array.of(1, 2), Float32Array.of(0, 0)];

const huber = loss("huber", { delta: 2 });
const { value, grad }: { value: number; grad: Float32Array } = huber.mean(pred, target, { grad: true, weights: target });
const resident: WasmArray<Float32Array> = memory.f32(pred);
const same: WasmArray<Float32Array> = huber.sum(resident, target, { grad: resident, scale: 2 }).grad;
const view: Float32Array = same.view;
const rows = loss("softmax-cross-entropy", { ignoreIndex: -100n, softCap: null });
const { hits, logSumExp } = rows.mean(pred, BigInt64Array.of(1n), { classes: 2, hits: true, logSumExp: true });
const both: [Uint8Array, Float32Array] = [hits, logSumExp];
const added: Float64Array = huber.meanOver(3, new Float64Array(2), new Float64Array(2), { addGrad: new Float64Array(2) }).grad;
huber.check(pred, target);
const shares = softmax(pred, { classes: 2, temperature: 2, inPlace: true });
const text: string = losses[0]!.name + build;
resident.free();

try {
  huber.mean(pred, target);
} catch (error) {
  if (error instanceof FusedLossError) console.log(error.kind, error.index, error.value);
}

// @ts-expect-error plain arrays are refused
huber.mean([1, 2], target);
// @ts-expect-error the target has another precision
huber.mean(pred, new Float64Array(2));
// @ts-expect-error no such option of a call
huber.mean(pred, target, { weight: target });
// @ts-expect-error nothing was asked for
huber.mean(pred, target, {}).grad;
// @ts-expect-error no such build
load({ build: "fast" });

export { value, grad, view, both, added, shares, text };
