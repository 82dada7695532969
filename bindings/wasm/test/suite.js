// The tests of the package, for any engine: each gets the library, one build of it loaded, and the table of the host.

export const tests = [];
const test = (name, run) => tests.push({ name, run });

// What tests need

function equal(found, expected, what = "") {
  if (Object.is(found, expected)) return;
  const [a, b] = [found, expected].map((x) => (typeof x === "bigint" ? `${x}n` : ArrayBuffer.isView(x) ? `[${x}]` : JSON.stringify(x)));
  if (typeof found === "object" && typeof expected === "object" && a === b) return;
  throw new Error(`${what}: found ${a ?? String(found)}, expected ${b ?? String(expected)}`);
}

function near(found, expected, bound, what) {
  const off = Math.abs(found - expected);
  if (!(off <= bound) && !(found === expected) && !(Number.isNaN(found) && Number.isNaN(expected))) {
    throw new Error(`${what}: found ${found}, expected ${expected}, off by ${off}`);
  }
}

function throws(run, type, message) {
  let error;
  try {
    run();
  } catch (thrown) {
    error = thrown;
  }
  if (!error) throw new Error(`nothing was thrown, expected ${message}`);
  equal(error.name, type, `kind of "${error.message}"`);
  if (message instanceof RegExp ? !message.test(error.message) : message !== error.message) {
    throw new Error(`text: found ${error.message}, expected ${message}`);
  }
  return error;
}

const TYPES = { f32: Float32Array, f64: Float64Array };
const EPSILON = { f32: 2 ** -24, f64: 2 ** -53 };

/** The generator of the table's program. */
class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  next() {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return this.state / 2 ** 32;
  }
  between(type, low, high, count) {
    return TYPES[type].from({ length: count }, () => low + (high - low) * this.next());
  }
  labels(classes, count) {
    return Uint16Array.from({ length: count }, () => Math.floor(this.next() * classes));
  }
}

/** FNV-1a over the bit patterns, with one NaN. */
function hash(numbers) {
  const bytes = new Uint8Array(numbers.map((x) => (Number.isNaN(x) ? NaN : x)).buffer);
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

function hex(x, type) {
  const view = new DataView(new ArrayBuffer(8));
  if (type === "f32") view.setFloat32(4, x);
  else view.setFloat64(0, x);
  const bits = view.getBigUint64(0).toString(16);
  return bits.padStart(type === "f32" ? 8 : 16, "0");
}

// Plain references, in f64

const xlogy = (x, y) => (x === 0 ? 0 : x * Math.log(y));
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const REFERENCES = {
  mse: () => (p, y) => [(p - y) ** 2, 2 * (p - y)],
  "half-mse": () => (p, y) => [(p - y) ** 2 / 2, p - y],
  mae: () => (p, y) => [Math.abs(p - y), Math.sign(p - y)],
  huber: ({ delta = 1 }) => (p, y) => {
    const r = Math.abs(p - y);
    return r <= delta ? [(r * r) / 2, p - y] : [delta * (r - delta / 2), delta * Math.sign(p - y)];
  },
  "smooth-l1": ({ beta = 1 }) => (p, y) => {
    const r = Math.abs(p - y);
    return r < beta ? [(r * r) / (2 * beta), (p - y) / beta] : [r - beta / 2, Math.sign(p - y)];
  },
  bce: () => (p, y) => [-xlogy(y, p) - xlogy(1 - y, 1 - p), (1 - y) / (1 - p) - y / p],
  "bce-with-logits": ({ posWeight: c = 1 }) => (x, y) => [
    c * y * softplus(-x) + (1 - y) * softplus(x),
    (1 - y) * sigmoid(x) - c * y * sigmoid(-x),
  ],
  "categorical-cross-entropy": () => (p, y) => [-xlogy(y, p), -y / p],
  "kl-divergence": ({ logTarget = false, predProbabilities = false }) => (p, t) => {
    const y = logTarget ? Math.exp(t) : t;
    return [xlogy(y, y) - (predProbabilities ? xlogy(y, p) : y * p), predProbabilities ? -y / p : -y];
  },
  "generalized-kl": ({ logTarget = false, predProbabilities = false }) => (x, t) => {
    const [y, p] = [logTarget ? Math.exp(t) : t, predProbabilities ? x : Math.exp(x)];
    const slope = predProbabilities ? 1 - y / p : p - y;
    return [xlogy(y, y) - xlogy(y, p) + p - y, slope];
  },
};

function softmax(z, temperature = 1) {
  const scaled = z.map((x) => x / temperature);
  const max = Math.max(...scaled);
  const sum = scaled.reduce((sum, x) => sum + Math.exp(x - max), 0);
  const lse = max + Math.log(sum);
  return { lse, q: scaled.map((x) => Math.exp(x - lse)), log: scaled.map((x) => x - lse) };
}

/** Losses of a row of logits and a row of targets. */
const ROW_REFERENCES = {
  "softmax-cross-entropy": (o) => (z, y) => {
    const cap = o.softCap ? (x) => o.softCap * Math.tanh(x / o.softCap) : (x) => x;
    const { lse, log } = softmax(z.map(cap), o.temperature);
    const a = o.labelSmoothing ?? 0;
    const k = z.length;
    const spread = y.map((x) => (o.smoothingOverOthers ? x * (1 - a) + (1 - x) * (a / (k - 1)) : x * (1 - a) + a / k));
    return spread.reduce((sum, x, j) => sum - x * log[j], 0) + (o.zLoss ?? 0) * lse * lse;
  },
  nll: () => (z, y) => y.reduce((sum, x, j) => sum - (x === 0 ? 0 : x * z[j]), 0),
  "softmax-kl": (o) => (z, t) => {
    const { log } = softmax(z, o.temperature);
    return t.reduce((sum, x, j) => sum + xlogy(x, x) - x * log[j], 0);
  },
  "jensen-shannon": ({ beta = 0.5, temperature }) => (z, y) => {
    const { q } = softmax(z, temperature);
    const m = q.map((x, j) => beta * y[j] + (1 - beta) * x);
    const kl = (a) => a.reduce((sum, x, j) => sum + xlogy(x, x) - xlogy(x, m[j]), 0);
    return beta * kl(y) + (1 - beta) * kl(q);
  },
};

const SETTINGS = {
  huber: [{}, { delta: 2.5 }],
  "smooth-l1": [{}, { beta: 0.5 }],
  bce: [{}, { policy: "exact" }, { policy: "eps", eps: 1e-6 }],
  "bce-with-logits": [{}, { posWeight: 3 }],
  "kl-divergence": [{}, { logTarget: true }, { predProbabilities: true }],
  "generalized-kl": [{}, { logTarget: true }, { predProbabilities: true }],
  "softmax-cross-entropy": [
    {}, { labelSmoothing: 0.2 }, { labelSmoothing: 0.2, smoothingOverOthers: true }, { zLoss: 0.5 }, { softCap: 4 },
    { temperature: 2 }, { softCap: null },
  ],
  "softmax-kl": [{}, { temperature: 3 }],
  "jensen-shannon": [{}, { beta: 0.25, temperature: 0.5 }],
};

// Values

for (const type of ["f32", "f64"]) {
  test(`${type}: every elementwise loss is its formula, and its gradient the formula's`, ({ fl }) => {
    const elementwise = fl.losses.filter((loss) => loss.name in REFERENCES);
    equal(elementwise.length, 10, "losses with a reference");
    for (const { name } of elementwise) {
      for (const options of SETTINGS[name] ?? [{}]) {
        const random = new Random(5);
        const probabilities = options.predProbabilities || ["bce", "categorical-cross-entropy"].includes(name);
        const pred = random.between(type, probabilities ? 0.05 : -3, probabilities ? 0.95 : 3, 77);
        const target = random.between(type, options.logTarget ? -3 : 0.05, options.logTarget ? 0 : 0.95, 77);
        const weights = random.between(type, -1, 2, 77);
        const at = REFERENCES[name](options);
        const rows = name === "categorical-cross-entropy" ? { classes: 1 } : {};
        const ends = {
          sum: (sum) => sum, mean: (sum) => sum / 77, meanOver: (sum) => sum / 10,
          weightedMean: (sum) => sum / weights.reduce((a, b) => a + b, 0),
        };
        for (const [end, reduce] of Object.entries(ends)) {
          const first = end === "meanOver" ? [10] : [];
          const given = { ...rows, weights, scale: 3, grad: true, losses: true };
          const { value, grad, losses } = fl.loss(name, options)[end](...first, pred, target, given);
          const both = Array.from(pred, (p, i) => at(p, target[i]).map((x) => x * weights[i]));
          const bound = 60 * EPSILON[type];
          near(value, reduce(both.reduce((sum, [loss]) => sum + loss, 0)), 77 * 10 * bound, `${name} ${end}`);
          both.forEach(([loss, slope], i) => {
            near(losses[i], loss, bound * (1 + Math.abs(loss)), `${name} loss ${i}`);
            near(grad[i], reduce(3 * slope), bound * (1 + Math.abs(reduce(3 * slope))), `${name} slope ${i}`);
          });
        }
      }
    }
  });

  test(`${type}: every loss over rows is its formula, and its gradient the differences'`, ({ fl }) => {
    const over = fl.losses.filter((loss) => loss.name in ROW_REFERENCES);
    equal(over.length, 4, "losses with a reference");
    for (const { name } of over) {
      for (const options of SETTINGS[name] ?? [{}]) {
        for (const classes of [2, 5, 40]) {
          const random = new Random(classes);
          const logits = random.between(type, -3, 3, 3 * classes);
          const target = random.between(type, 0, 1, 3 * classes);
          const labels = random.labels(classes, 3);
          const at = ROW_REFERENCES[name](options);
          const row = (array, i) => Array.from(array.subarray(i * classes, (i + 1) * classes));
          for (const labelled of [false, true]) {
            const y = (i) => (labelled ? Array.from({ length: classes }, (_, j) => +(labels[i] === j)) : row(target, i));
            const loss = fl.loss(name, options);
            const { value, grad, losses } = loss.mean(logits, labelled ? labels : target, { classes, grad: true, losses: true });
            const all = [0, 1, 2].map((i) => at(row(logits, i), y(i)));
            const bound = 2000 * EPSILON[type] * (1 + Math.abs(all[0]));
            near(value, (all[0] + all[1] + all[2]) / 3, bound, `${name} mean`);
            all.forEach((x, i) => near(losses[i], x, bound, `${name} loss ${i}`));
            const z = row(logits, 1);
            for (const j of [0, classes - 1]) {
              const moved = [1e-5, -1e-5].map((step) => at(z.map((x, k) => (k === j ? x + step : x)), y(1)));
              near(grad[classes + j], (moved[0] - moved[1]) / 2e-5 / 3, 1e-6 + bound, `${name} slope ${j}`);
            }
          }
        }
      }
    }
  });

  test(`${type}: softmax, its logarithm and the log-sum-exp`, ({ fl }) => {
    const logits = new Random(2).between(type, -9, 9, 60);
    const of = softmax(Array.from(logits.subarray(20, 40)), 2);
    const given = { classes: 20, temperature: 2 };
    const [q, log, lse] = [fl.softmax(logits, given), fl.logSoftmax(logits, given), fl.logSumExp(logits, given)];
    equal(lse.length, 3, "rows");
    near(lse[1], of.lse, 100 * EPSILON[type], "log-sum-exp");
    of.q.forEach((x, j) => near(q[20 + j], x, 100 * EPSILON[type] * x, "softmax"));
    of.log.forEach((x, j) => near(log[20 + j], x, 100 * EPSILON[type], "log_softmax"));
    const own = logits.slice();
    equal(fl.softmax(own, { ...given, inPlace: true }), own, "in place");
    equal(hash(own), hash(q), "in place");
    const out = new TYPES[type](60);
    equal(fl.logSoftmax(logits, { ...given, out }), out, "into an array");
    equal(hash(out), hash(log), "into an array");
  });

  test(`${type}: the bits are those of the host's portable level`, ({ fl, table }) => {
    const cases = table.cases.filter((one) => one.type === type);
    equal(cases.length > 150, true, "cases of the table");
    for (const one of cases) {
      const what = JSON.stringify(one);
      if (one.count) {
        const random = new Random(one.count);
        const pred = random.between(type, one.low, one.high, one.count);
        const target = random.between(type, 0, 1, one.count);
        const weights = one.all ? random.between(type, 0.5, 2, one.count) : undefined;
        // A loss of rows is elementwise where rows have one class, but its mean is that of the rows.
        const entry = fl.losses.find((loss) => loss.name === one.name);
        if (entry.rows) continue;
        const { value, grad, losses } = fl.loss(one.name).mean(pred, target, { grad: true, losses: one.all, weights });
        equal(hex(value, type), one.value, `value of ${what}`);
        equal(hash(grad), one.grad, `gradient of ${what}`);
        if (one.all) equal(hash(losses), one.losses, `losses of ${what}`);
        if (!one.all) equal(hex(fl.loss(one.name).mean(pred, target).value, type), one.value, `value alone of ${what}`);
        continue;
      }
      const { rows, classes } = one;
      const random = new Random(classes);
      const logits = random.between(type, -8, 8, rows * classes);
      const p = random.between(type, 0.01, 1, rows * classes);
      const labels = random.labels(classes, rows);
      if (one.name === "softmax") {
        for (const form of ["softmax", "logSoftmax", "logSumExp"]) {
          equal(hash(fl[form](logits, { classes })), one[form], `${form} of ${what}`);
        }
        continue;
      }
      const outputs = one.takesLogits ? { logSumExp: true, hits: true } : {};
      const result = fl.loss(one.name).mean(one.probabilities ? p : logits, one.labelled ? labels : p, {
        classes, grad: true, losses: true, ...outputs,
      });
      equal(hex(result.value, type), one.value, `value of ${what}`);
      equal(hash(result.grad), one.grad, `gradient of ${what}`);
      equal(hash(result.losses), one.losses, `losses of ${what}`);
      if (one.takesLogits) {
        equal(hash(result.logSumExp), one.logSumExp, `log-sum-exp of ${what}`);
        equal(result.hits.reduce((sum, hit) => sum + hit, 0), one.hits, `hits of ${what}`);
      }
    }
  });
}

test("the values of the guide", ({ fl }) => {
  const f32 = (...x) => Float32Array.of(...x);
  const mean = fl.loss("huber").mean(f32(2.5, -1, 40), f32(1, 0, 40.5), { grad: true });
  equal(mean.value, Math.fround(0.5416667));
  equal(mean.grad, f32(1 / 3, -1 / 3, -0.5 / 3));
  const far = fl.loss("softmax-cross-entropy").mean(f32(50, 0), Uint8Array.of(0), { classes: 2 }).value;
  near(far, 1.92875e-22, 1e-27, "a confident row");
  const huge = fl.loss("bce-with-logits").mean(f32(1e30, -1e30), f32(0, 1));
  equal(huge.value, Math.fround(1e30));
});

test("NaN and infinities are those of the formula", ({ fl }) => {
  const f64 = (...x) => Float64Array.of(...x);
  const { value, grad, losses } = fl.loss("mse").sum(f64(NaN, Infinity, 1), f64(0, 0, 0), { grad: true, losses: true });
  equal(value, NaN);
  equal(losses, f64(NaN, Infinity, 1));
  equal(grad, f64(NaN, Infinity, 2));
  equal(fl.loss("bce", { policy: "exact" }).sum(f64(0), f64(1)).value, Infinity);
  equal(fl.loss("bce").sum(f64(0), f64(1)).value, 100);
  const masked = fl.loss("mse").sum(f64(NaN, 2), f64(0, 0), { weights: f64(0, 1), grad: true });
  equal(masked.value, 4, "weight 0 masks");
  equal(masked.grad, f64(0, 4), "weight 0 masks");
});

test("labels of every type, and of none", ({ fl }) => {
  const logits = Float32Array.of(1, 2, 3, 3, 2, 1);
  const at = (labels, options) => fl.loss("softmax-cross-entropy", options).mean(logits, labels, { classes: 3, grad: true, hits: true });
  const expected = at(Uint8Array.of(2, 1));
  for (const type of [Uint8ClampedArray, Uint16Array, Uint32Array, Int32Array]) equal(at(type.of(2, 1)), expected, type.name);
  for (const type of [BigUint64Array, BigInt64Array]) equal(at(type.of(2n, 1n)), expected, type.name);
  equal(expected.hits, Uint8Array.of(1, 0), "hits");
  const left = at(Int32Array.of(2, -100));
  equal(left.grad.subarray(3), Float32Array.of(0, 0, 0), "ignored");
  equal(at(Uint32Array.of(2, 2 ** 32 - 1), { ignoreIndex: 2 ** 32 - 1 }), left, "a label that no f32 holds");
  equal(at(BigInt64Array.of(2n, -(2n ** 63n)), { ignoreIndex: -(2n ** 63n) }), left, "a label that no f64 holds");
  throws(() => at(Int32Array.of(2, -100), { ignoreIndex: null }), "FusedLossError", "labels[1] is -100, which is none of the 3 classes, counted from 0");
  throws(() => at(Int16Array.of(2, 1)), "TypeError", "target must be a Float32Array or labels, not a Int16Array");
});

test("class weights, row weights, strides", ({ fl }) => {
  const log = Float32Array.of(-1, -2, 9, -3, -4);
  const { value, grad } = fl.loss("nll").mean(log, Uint8Array.of(0, 1), {
    classes: 2, stride: 3, classWeights: Float32Array.of(1, 3), grad: true,
  });
  equal(value, 3.25);
  equal(grad, Float32Array.of(-0.25, 0, 0, 0, -0.75));
  const own = Float32Array.of(9, 9, 7, 9, 9);
  fl.loss("nll").mean(log, Uint8Array.of(0, 1), { classes: 2, stride: 3, grad: own });
  equal(own[2], 7, "between rows");
  equal(fl.loss("nll").weightedMean(log, Uint8Array.of(0, 1), { classes: 2, stride: 3, weights: Float32Array.of(0, 2) }).value, 4);
});

test("gradients are written, added, or take the place of predictions", ({ fl }) => {
  const [pred, target] = [Float64Array.of(3, 1), Float64Array.of(1, 2)];
  const grad = new Float64Array(2);
  const given = fl.loss("mse").sum(pred, target, { grad });
  equal(given.grad, grad, "the same array");
  equal(grad, Float64Array.of(4, -2));
  fl.loss("mse").sum(pred, target, { addGrad: grad });
  equal(grad, Float64Array.of(8, -4), "added");
  const place = pred.slice();
  equal(fl.loss("mse").sum(place, target, { inPlace: true, losses: true }), { value: 5, losses: Float64Array.of(4, 1), grad: place });
  equal(place, Float64Array.of(4, -2), "in place");
  // What is bad is found before anything is copied back.
  const bad = Float32Array.of(0.5, 2);
  throws(() => fl.loss("bce").sum(bad, Float32Array.of(1, 1), { inPlace: true }), "FusedLossError", "pred[1] is 2, outside the domain of the loss");
  equal(bad, Float32Array.of(0.5, 2), "kept");
  const untouched = Float32Array.of(7, 8);
  equal(fl.loss("bce").check(Float32Array.of(0.5, 1), Float32Array.of(1, 1), { grad: untouched, losses: untouched.slice() }), undefined);
  equal(untouched, Float32Array.of(7, 8), "a check writes nothing");
});

// Errors

test("errors have the text of the Rust crate", ({ fl, FusedLossError }) => {
  const f32 = (...x) => Float32Array.of(...x);
  const [p, y] = [f32(1, 2, 3, 4), f32(0, 0, 0, 0)];
  const [mse, nll, bce] = [fl.loss("mse"), fl.loss("nll"), fl.loss("bce")];
  const labels = Uint8Array.of(0, 1);
  const all = [
    ["Length", () => mse.mean(f32(1, 2), f32(0)), "target has 1 elements where pred has 2"],
    ["Length", () => mse.mean(p, y, { weights: f32(1) }), "weights has 1 elements where pred has 4"],
    ["Length", () => mse.mean(p, y, { grad: f32(1) }), "gradient has 1 elements where pred has 4"],
    ["Length", () => mse.mean(p, y, { losses: f32(1) }), "losses has 1 elements where pred has 4"],
    ["Length", () => fl.softmax(p, { classes: 2, out: f32(1) }), "output has 1 elements where pred has 4"],
    ["Classes", () => nll.mean(p, labels, { classes: 3 }), "pred has 4 elements, which are no rows of 3 classes"],
    ["Classes", () => nll.mean(p, labels, { classes: 0 }), "pred has 4 elements, which are no rows of 0 classes"],
    ["Stride", () => nll.mean(p, labels, { classes: 2, stride: 1 }), "stride is 1, less than the 2 classes of a row"],
    ["ClassWeights", () => nll.mean(p, labels, { classes: 2, classWeights: f32(1) }), "class_weights has 1 elements where there are 2 classes"],
    ["ClassWeight", () => nll.mean(p, labels, { classes: 2, classWeights: f32(1, NaN) }), "class_weights[1] is NaN, but must be finite"],
    ["Rows", () => nll.mean(p, Uint8Array.of(1), { classes: 2 }), "labels has 1 elements where pred has 2 rows"],
    ["Rows", () => fl.logSumExp(p, { classes: 2, out: f32(1) }), "log_sum_exp has 1 elements where pred has 2 rows"],
    ["Label", () => nll.mean(p, BigUint64Array.of(0n, 2n ** 64n - 1n), { classes: 2 }), "labels[1] is 18446744073709551615, which is none of the 2 classes, counted from 0"],
    ["Label", () => nll.mean(p, BigInt64Array.of(0n, -(2n ** 63n)), { classes: 2 }), "labels[1] is -9223372036854775808, which is none of the 2 classes, counted from 0"],
    ["Empty", () => mse.mean(f32(), f32()), "mean of nothing: no element takes part, or the weights sum to 0"],
    ["Empty", () => mse.meanOver(0, p, y), "mean of nothing: no element takes part, or the weights sum to 0"],
    ["NoWeights", () => mse.weightedMean(p, y), "a weighted mean needs weights"],
    ["Unsupported", () => nll.mean(p, labels, { classes: 2, hits: true }), "the loss takes no hits"],
    ["Parameter", () => fl.loss("huber", { delta: -0.1 }).mean(p, y), "delta is -0.1, but must be finite and positive"],
    ["Parameter", () => mse.mean(p, y, { scale: 1e300 }), "scale is inf, but must be finite"],
    ["Parameter", () => fl.softmax(p, { classes: 2, temperature: 1e-30 }), "temperature is 0.000000000000000000000000000001, but must be from 2^-60 to 2^60"],
    ["Pred", () => bce.check(f32(0.5, 1.1), f32(1, 1)), "pred[1] is 1.1, outside the domain of the loss"],
    ["Target", () => bce.mean(f32(0.5, 0.5), f32(1, -1e-7)), "target[1] is -0.0000001, outside the domain of the loss"],
    ["Weight", () => mse.mean(p, y, { weights: f32(1, -Infinity, 1, 1) }), "weights[1] is -inf, but must be finite"],
  ];
  for (const [kind, run, text] of all) {
    const error = throws(run, "FusedLossError", text);
    equal(error instanceof FusedLossError && error instanceof Error, true, "class");
    equal(error.kind, kind, text);
  }
  const label = throws(all[12][1], "FusedLossError", all[12][2]);
  equal([label.index, typeof label.value, `${label.value}`], [1, "bigint", "18446744073709551615"]);
  const pred = throws(all[21][1], "FusedLossError", all[21][2]);
  equal([pred.index, pred.value], [1, Math.fround(1.1)]);
});

test("the texts of all errors and of floats are those of the host", ({ table, FusedLossError, floatText }) => {
  const value = { f32: Math.fround(-1e-7), f64: -1e-7 };
  const fields = (type) => [
    [1, { what: "gradient", other: 3, index: 4e9 }], [2, { index: 7, other: 3 }], [3, { index: 2, other: 3 }],
    [4, { other: 3, index: 2 }], [5, { index: 1, value: NaN }], [6, { what: "labels", other: 3, index: 2 }],
    [7, { index: 5, label: 2n ** 64n - 1n, other: 3 }], [7, { index: 5, label: -(2n ** 63n), other: 3 }], [8, {}], [9, {}],
    [10, { what: "hits" }], [11, { what: "delta", domain: "finite and positive", value: value[type] }],
    [12, { index: 3, value: value[type] }], [13, { index: 3, value: Infinity }], [14, { index: 3, value: -Infinity }],
  ];
  for (const type of ["f32", "f64"]) {
    const expected = table.errors.filter((error) => error.type === type);
    equal(expected.length, fields(type).length, "errors");
    fields(type).forEach(([number, report], i) => {
      const error = new FusedLossError(number, report, type === "f32");
      equal(error.message, expected[i].text, "text");
      equal(error.kind, expected[i].kind, "kind");
    });
  }
  equal(table.floats.length > 2000, true, "floats of the table");
  const view = new DataView(new ArrayBuffer(8));
  for (const [type, bits, text] of table.floats) {
    view.setBigUint64(0, BigInt(`0x${bits}`));
    equal(floatText(type === "f32" ? view.getFloat32(4) : view.getFloat64(0), type === "f32"), text, `${type} ${bits}`);
  }
});

test("wrong uses are named", ({ fl }) => {
  const [p, y] = [Float32Array.of(1, 2), Float32Array.of(0, 0)];
  const mse = fl.loss("mse");
  const all = [
    [() => fl.loss("hubr"), /^no loss is named hubr; there are mse, half-mse, .*jensen-shannon$/],
    [() => fl.loss("huber", { detla: 1 }), "huber has no option detla; it has delta"],
    [() => fl.loss("mse", { delta: 1 }), "mse has no option delta; it has none"],
    [() => fl.loss("huber", { delta: "1" }), 'delta must be a number, not "1"'],
    [() => fl.loss("huber", 2), "the options of huber must be an object"],
    [() => fl.loss("bce", { policy: "keras" }), 'policy must be one of exact, clamp, eps, not "keras"'],
    [() => fl.loss("kl-divergence", { logTarget: 1 }), "logTarget must be true or false, not 1"],
    [() => fl.loss("nll", { ignoreIndex: 0.5 }), "ignoreIndex must be a whole number or null, not 0.5"],
    [() => mse.mean([1, 2], y), "pred must be a Float32Array or a Float64Array, not a plain array"],
    [() => mse.mean(p, [0, 0]), "target must be a Float32Array, not a plain array"],
    [() => mse.mean(p, new Float64Array(2)), "target must be a Float32Array, not a Float64Array"],
    [() => mse.mean(p, undefined), "target must be a Float32Array, not a undefined"],
    [() => mse.mean(p, new Uint8Array(2)), "target is a Uint8Array, but labels need classes"],
    [() => mse.mean(p, y, { weight: y }), /^a call of mse has no option weight; it has classes, weights, /],
    [() => mse.mean(p, y, { hits: true }), /^a call of mse has no option hits; /],
    [() => mse.mean(p, y, { weights: [1, 1] }), "weights must be a Float32Array, not a plain array"],
    [() => mse.mean(p, y, { grad: true, inPlace: true }), "grad and inPlace exclude each other"],
    [() => mse.mean(p, y, { grad: y }) && mse.mean(p, y, { grad: "yes" }), "grad must be a Float32Array, not a string"],
    [() => mse.mean(p, y, { scale: null }), "scale must be a number, not null"],
    [() => mse.meanOver(1.5, p, y), "the count must be a whole number from 0 to 4294967295, not 1.5"],
    [() => fl.loss("nll").mean(p, Uint8Array.of(0)), "classes must be a whole number from 0 to 4294967295, not undefined"],
    [() => fl.softmax(p, {}), "classes must be a whole number from 0 to 4294967295, not undefined"],
    [() => fl.memory.f32(y.subarray(1)) && fl.memory.f32([1]), "the length of memory.f32 must be a whole number from 0 to 4294967295, not plain array"],
  ];
  for (const [run, text] of all) throws(run, "TypeError", text);
});

// Memory

test("arrays in memory are not copied, and live through growth", ({ fl }) => {
  const pred = fl.memory.f32(Float32Array.of(3, 1));
  const grad = fl.memory.f32(2);
  const stale = pred.view;
  const result = fl.loss("mse").sum(pred, Float32Array.of(1, 2), { grad });
  equal(result.grad, grad, "the handle itself");
  equal(grad.view, Float32Array.of(4, -2));
  const before = fl.memory.byteLength;
  const large = fl.memory.f64(before / 8);
  equal(fl.memory.byteLength > before, true, "memory grows");
  equal(stale.length, 0, "views of before are detached");
  equal(pred.view, Float32Array.of(3, 1), "and made anew");
  equal(pred.view, pred.view, "once");
  throws(() => fl.loss("mse").sum(stale, stale), "TypeError", "pred is a view that was detached: take it anew");
  // A view serves as well as the handle, a part of one too.
  equal(fl.loss("mse").sum(pred.view.subarray(1), Float32Array.of(3)).value, 4);
  fl.loss("mse").sum(pred, Float32Array.of(1, 2), { grad: grad.view });
  equal(grad.view, Float32Array.of(4, -2));
  fl.loss("mse").sum(pred, Float32Array.of(1, 2), { inPlace: true });
  equal(pred.view, Float32Array.of(4, -2), "in place");
  // Growth in the middle of a call, when some of its arrays have been placed.
  const most = new Float32Array(fl.memory.byteLength / 4).fill(1);
  const size = fl.memory.byteLength;
  const into = fl.memory.f32(most);
  const much = fl.loss("mse").mean(most, new Float32Array(most.length), { grad: into });
  equal(fl.memory.byteLength > size && much.value === 1 && into.view[most.length - 1] > 0, true, "growth in a call");
  for (const array of [pred, grad, large, into]) array.free();
});

test("freed arrays and wrong memory are exceptions", async ({ fl, again }) => {
  const array = fl.memory.f64(4);
  const view = array.view;
  array.free();
  throws(() => array.view, "TypeError", "the array has been freed");
  throws(() => array.free(), "TypeError", "the array has been freed");
  throws(() => fl.loss("mse").sum(array, new Float64Array(4)), "TypeError", "the array has been freed");
  throws(() => fl.loss("mse").sum(view, new Float64Array(4)), "TypeError", "pred is a view of memory that has been freed");
  const other = await again();
  const theirs = other.memory.f64(4);
  throws(() => fl.loss("mse").sum(theirs, new Float64Array(4)), "TypeError", "pred lies in another module's memory");
  equal(fl.loss("mse").sum(theirs.view, new Float64Array(4)).value, 0, "but its view is an array as any other");
  const mine = fl.memory.f64(4);
  throws(() => fl.loss("mse").sum(mine, mine, { grad: mine }), "TypeError", "grad and pred overlap");
  throws(() => fl.loss("mse").sum(mine.view.subarray(0, 3), new Float64Array(3), { grad: mine.view.subarray(1) }), "TypeError", "grad and pred overlap");
  equal(fl.loss("mse").sum(mine, mine).value, 0, "inputs may");
  mine.free();
  throws(() => fl.memory.f64(2 ** 32 - 1), "RangeError", "no memory for 34359738360 bytes");
});

test("calls leave no memory behind", ({ fl }) => {
  const many = new Float32Array(300_000);
  const call = () => fl.loss("mse").sum(many, many, { grad: true, losses: true, weights: many });
  call();
  const after = fl.memory.byteLength;
  for (let i = 0; i < 50; i++) call();
  for (let i = 0; i < 50; i++) throws(() => fl.loss("mse").sum(many, many, { weights: many.subarray(1) }), "FusedLossError", /^weights has/);
  for (let i = 0; i < 50; i++) fl.memory.f32(many).free();
  equal(fl.memory.byteLength <= after + 2 ** 21, true, `memory grew from ${after} to ${fl.memory.byteLength}`);
});

test("shared memory is copied as any other", ({ fl }) => {
  if (typeof SharedArrayBuffer === "undefined") return;
  const shared = new Float32Array(new SharedArrayBuffer(8));
  shared.set([3, 1]);
  const grad = new Float32Array(new SharedArrayBuffer(8));
  equal(fl.loss("mse").sum(shared, Float32Array.of(1, 2), { grad }).value, 5);
  equal(grad[0], 4);
});

test("the list says what there is", ({ fl }) => {
  const bce = fl.losses.find((loss) => loss.name === "bce");
  equal(bce.options[0], { name: "policy", meaning: bce.options[0].meaning, domain: "the index of a choice", default: "clamp", kind: "choice", choices: ["exact", "clamp", "eps"] });
  equal(fl.losses.every((loss) => loss.formula.length > 2 && Object.isFrozen(loss)), true, "formulas");
  // Every loss runs with its defaults spelt out.
  for (const { name, options, rows } of fl.losses) {
    const given = Object.fromEntries(options.map((option) => [option.name, option.default]));
    const [p, y] = [Float64Array.of(0.5, 0.5), Float64Array.of(0.5, 0.5)];
    const call = rows ? { classes: 2 } : {};
    equal(fl.loss(name, given).mean(p, y, call).value, fl.loss(name).mean(p, y, call).value, name);
  }
});
