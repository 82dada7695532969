// fused-loss for JavaScript. See README.md.

import { Heap } from "./memory.js";
import { FusedLossError } from "./text.js";

export { FusedLossError };

/** A module of nothing but one v128 constant: valid where there is simd128. */
const PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/**
 * Loads the module: the build with simd128 where the engine has it, else the plain one. Each load has its own memory.
 */
export async function load({ build, bytes } = {}) {
  if (build !== undefined && build !== "simd128" && build !== "plain") {
    throw new TypeError(`build is ${String(build)}, but must be "simd128" or "plain"`);
  }
  build ??= WebAssembly.validate(PROBE) ? "simd128" : "plain";
  const url =
    build === "plain"
      ? new URL("./dist/plain.wasm", import.meta.url)
      : new URL("./dist/simd128.wasm", import.meta.url);
  const module = bytes instanceof WebAssembly.Module ? bytes : await WebAssembly.compile(bytes ?? (await read(url)));
  return new Library(new WebAssembly.Instance(module).exports).api();
}

async function read(url) {
  if (url.protocol === "file:" && globalThis.process?.versions?.node) {
    const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ "node:fs/promises");
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

/** What a call looks like in memory, beside the Rust side's `Call`: fields one after the other, each aligned. */
const LAYOUT = Object.entries({
  scale: "f64", ignoreIndex: "i64",
  loss: "u32", overRows: "u32", pred: "slice", target: "slice", labels: "u32",
  classes: "u32", hasClasses: "u32", stride: "u32", inPlace: "u32",
  weights: "slice", grad: "slice", add: "u32", losses: "slice", classWeights: "slice", logSumExp: "slice",
  hits: "slice", ignore: "u32", end: "u32", count: "u32", parameters: "slice",
  value: "f64", errorValue: "f64", labelLow: "u64", labelHigh: "i64",
  errorIndex: "u32", errorOther: "u32", what: "slice", domain: "slice",
}).reduce((fields, [name, type]) => {
  const alignment = type.endsWith("64") ? 8 : 4;
  fields[name] = { type, at: Math.ceil((fields.size ?? 0) / alignment) * alignment };
  Object.defineProperty(fields, "size", { value: fields[name].at + (type === "u32" ? 4 : 8), writable: true });
  return fields;
}, {});

const FLOATS = new Map([[Float32Array, "f32"], [Float64Array, "f64"]]);
const LABELS = new Map([
  [Uint8Array, 1], [Uint8ClampedArray, 1], [Uint16Array, 2], [Uint32Array, 3], [BigUint64Array, 4],
  [Int32Array, 5], [BigInt64Array, 6],
]);
const ARRAYS = {
  f32: Float32Array, f64: Float64Array, u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, i32: Int32Array,
  u64: BigUint64Array, i64: BigInt64Array,
};
const ENDS = { mean: 0, sum: 1, meanOver: 2, weightedMean: 3, check: 4 };
const ROW_OPTIONS = ["stride", "classWeights", "logSumExp", "hits"];
const OPTIONS = ["classes", "weights", "grad", "addGrad", "inPlace", "losses", "scale", ...ROW_OPTIONS];
const FORMS = { softmax: 0, logSoftmax: 1, logSumExp: 2 };
const MOST = 2 ** 32 - 1;

/** An array that lies in the module's memory: calls take it without a copy. */
export class WasmArray {
  #library;
  #at;
  #view;

  /** Made by `memory`. */
  constructor(library, type, length) {
    this.#library = library;
    this.type = type;
    this.length = length;
    this.#at = library.heap.allocate(length * ARRAYS[type].BYTES_PER_ELEMENT);
    library.arrays.set(this.#at, this);
  }

  get at() {
    if (this.#at === 0) throw new TypeError("the array has been freed");
    return this.#at;
  }

  /** The elements. Take it anew after any call or allocation: memory that grows detaches all views of before. */
  get view() {
    const { buffer } = this.#library.memory;
    const at = this.at;
    if (this.#view?.buffer !== buffer) this.#view = new ARRAYS[this.type](buffer, at, this.length);
    return this.#view;
  }

  get byteLength() {
    return this.length * ARRAYS[this.type].BYTES_PER_ELEMENT;
  }

  /** Gives the memory back. Any use after that is an exception. */
  free() {
    const at = this.at;
    this.#at = 0;
    this.#view = undefined;
    this.#library.arrays.delete(at);
    this.#library.heap.release(at, this.byteLength);
  }

  [Symbol.dispose ?? Symbol("dispose")]() {
    if (this.#at !== 0) this.free();
  }
}

class Library {
  constructor(exports) {
    this.exports = exports;
    this.memory = exports.memory;
    this.heap = new Heap(exports);
    /** The arrays that live in memory, by address. */
    this.arrays = new Map();
    this.call = this.heap.allocate(LAYOUT.size);
    this.list = this.readList();
  }

  api() {
    const memory = Object.fromEntries(Object.keys(ARRAYS).map((type) => [type, (of) => this.array(type, of)]));
    Object.defineProperty(memory, "byteLength", { get: () => this.memory.buffer.byteLength, enumerable: true });
    return Object.freeze({
      build: this.exports.simd128() ? "simd128" : "plain",
      losses: this.list,
      memory: Object.freeze(memory),
      loss: (name, options) => this.loss(name, options),
      softmax: (logits, options) => this.softmax("softmax", logits, options),
      logSoftmax: (logits, options) => this.softmax("logSoftmax", logits, options),
      logSumExp: (logits, options) => this.softmax("logSumExp", logits, options),
    });
  }

  // Memory

  array(type, of) {
    const source = isTyped(of) ? of : undefined;
    if (source && source.constructor !== ARRAYS[type]) {
      throw new TypeError(`memory.${type} takes a length or a ${ARRAYS[type].name}, not a ${source.constructor.name}`);
    }
    const array = new WasmArray(this, type, source ? source.length : whole(`the length of memory.${type}`, of));
    if (source) array.view.set(source);
    else array.view.fill(array.view instanceof BigInt64Array || array.view instanceof BigUint64Array ? 0n : 0);
    return array;
  }

  // The list of losses

  readList() {
    const length = this.exports.list(0, 0);
    const at = this.heap.allocate(length);
    this.exports.list(at, length);
    const view = new DataView(this.memory.buffer, at, length);
    let place = 0;
    const byte = () => view.getUint8(place++);
    const count = () => view.getUint16((place += 2) - 2, true);
    const text = () => {
      const bytes = count();
      return this.text({ at: at + (place += bytes) - bytes, length: bytes });
    };
    const list = [];
    const counts = [0, 0];
    while (place < length) {
      const [overRows, rows] = [byte(), byte() === 1];
      const entry = { name: text(), formula: text(), rows, options: [] };
      for (let left = count(); left > 0; left--) {
        const option = { name: camel(text()), meaning: text(), domain: text() };
        option.default = view.getFloat64((place += 8) - 8, true);
        option.kind = ["number", "whole", "flag", "choice"][byte()];
        option.choices = Array.from({ length: count() }, text);
        entry.options.push(option);
      }
      Object.defineProperty(entry, "place", { value: [overRows, counts[overRows]++] });
      list.push(entry);
    }
    this.heap.release(at, length);
    // Defaults as an option takes them.
    for (const { options } of list) {
      for (const option of options) {
        Object.defineProperty(option, "number", { value: option.default });
        if (option.kind === "flag") option.default = option.number === 1;
        else if (option.kind === "choice") option.default = option.choices[option.number];
        else if (Number.isNaN(option.number)) option.default = null;
        if (option.kind !== "choice") delete option.choices;
        Object.freeze(option);
      }
    }
    return Object.freeze(list.map((entry) => Object.freeze(entry)));
  }

  text({ at, length }) {
    return new TextDecoder().decode(new Uint8Array(this.memory.buffer, at, length));
  }

  // Calls

  loss(name, options = {}) {
    const entry = this.list.find((entry) => entry.name === name);
    if (!entry) {
      const names = this.list.map((entry) => entry.name).join(", ");
      throw new TypeError(`no loss is named ${String(name)}; there are ${names}`);
    }
    known(options, entry.options.map((option) => option.name), name);
    const values = entry.options.map((option) => parameter(option, options[option.name]));
    // A label is a 64-bit number, which no float holds.
    const ignore = entry.options.some((option) => option.kind === "whole") ? options.ignoreIndex : undefined;
    const run = (end, pred, target, given, count) =>
      this.run({ entry, values, ignore, end, pred, target, given, count });
    return Object.freeze({
      name,
      mean: (pred, target, given) => run("mean", pred, target, given),
      sum: (pred, target, given) => run("sum", pred, target, given),
      weightedMean: (pred, target, given) => run("weightedMean", pred, target, given),
      meanOver: (count, pred, target, given) => run("meanOver", pred, target, given, whole("the count", count)),
      check: (pred, target, given) => void run("check", pred, target, given),
    });
  }

  run({ entry, values, ignore, end, pred, target, given = {}, count = 0 }) {
    const hasClasses = entry.rows || given.classes !== undefined;
    known(given, hasClasses ? OPTIONS : OPTIONS.filter((name) => !ROW_OPTIONS.includes(name)), `a call of ${entry.name}`);
    const type = floats("pred", pred);
    const n = pred.length;
    const classes = hasClasses ? whole("classes", given.classes) : 0;
    const stride = given.stride === undefined ? classes : whole("stride", given.stride);
    const rows = hasClasses ? Math.max(0, Math.floor((n + stride - classes) / (stride || 1))) : n;
    const gradients = ["grad", "addGrad", "inPlace"].filter((name) => given[name]);
    if (gradients.length > 1) throw new TypeError(`${gradients.join(" and ")} exclude each other`);
    for (const flag of ["inPlace"]) boolean(flag, given[flag]);
    const labels = LABELS.get(kind(target));
    if (labels === undefined) same("target", target, type, hasClasses ? " or labels" : "");
    else if (!hasClasses) throw new TypeError(`target is a ${kind(target).name}, but labels need classes`);
    const scale = given.scale === undefined ? 1 : number("scale", given.scale);

    const parameters = Float64Array.from(values);
    return this.session((session) => {
      const { inPlace } = given;
      const grad = given.addGrad ?? given.grad;
      const fields = {
        scale, end: ENDS[end], count, classes, stride, hasClasses: +hasClasses, labels: labels ?? 0,
        overRows: entry.place[0], loss: entry.place[1],
        ignore: ignore === undefined ? 0 : ignore === null ? 2 : 1, ignoreIndex: BigInt(ignore ?? 0),
        parameters: session.input("the options", parameters),
        pred: inPlace ? session.output("pred", pred, type, n, true) : session.input("pred", pred),
        inPlace: +!!inPlace,
        target: session.input("target", target),
        weights: session.input("weights", given.weights, type),
        classWeights: session.input("classWeights", given.classWeights, type),
        // What lies between rows stays as it is.
        grad: session.output("grad", grad, type, n, !!given.addGrad || stride !== classes),
        add: +!!given.addGrad,
        losses: session.output("losses", given.losses, type, rows),
        logSumExp: session.output("logSumExp", given.logSumExp, type, rows),
        hits: session.output("hits", given.hits, "u8", rows),
      };
      const value = session.run(`loss_${type}`, fields, type);
      if (end === "check") return undefined;
      const result = { value, ...session.results() };
      const { pred: place, ...others } = result;
      return place === undefined ? result : { ...others, grad: place };
    });
  }

  softmax(form, logits, given = {}) {
    known(given, ["classes", "temperature", "out", "inPlace"].slice(0, form === "logSumExp" ? 3 : 4), form);
    const type = floats("logits", logits);
    const classes = whole("classes", given.classes);
    const scale = given.temperature === undefined ? 1 : number("temperature", given.temperature);
    boolean("inPlace", given.inPlace);
    if (given.inPlace && given.out) throw new TypeError("out and inPlace exclude each other");
    const length = form === "logSumExp" ? Math.floor(logits.length / (classes || 1)) : logits.length;
    return this.session((session) => {
      session.run(
        `softmax_${type}`,
        {
          scale, classes, end: FORMS[form],
          pred: given.inPlace ? undefined : session.input("logits", logits),
          grad: given.inPlace
            ? session.output("out", logits, type, length, true)
            : session.output("out", given.out ?? true, type, length),
        },
        type,
      );
      return session.results().out;
    });
  }

  session(body) {
    const session = new Session(this);
    try {
      return body(session);
    } finally {
      session.end();
    }
  }
}

/** One call: what is copied in for it, and what is copied out. All is placed before anything is copied. */
class Session {
  #library;
  #slices = [];

  constructor(library) {
    this.#library = library;
  }

  /** An input; of this type, where one is named. */
  input(name, array, type) {
    if (array === undefined) return undefined;
    if (type) same(name, array, type);
    return this.#place({ name, array, copyIn: true });
  }

  /** An output: an array, or true for a new one of this length. */
  output(name, into, type, length, copyIn = false) {
    if (into === undefined || into === false) return undefined;
    if (into === true) return this.#place({ name, make: ARRAYS[type], length, copyIn, output: true });
    same(name, into, type);
    return this.#place({ name, array: into, copyIn, output: true });
  }

  #place(slice) {
    const { array } = slice;
    slice.length = array ? array.length : slice.length;
    slice.bytes = slice.length * (slice.make ?? kind(array)).BYTES_PER_ELEMENT;
    slice.at = array ? this.#resident(slice.name, array) : 0;
    if (slice.at === 0) {
      slice.at = this.#library.heap.allocate(slice.bytes);
      slice.copied = true;
    }
    this.#slices.push(slice);
    return slice;
  }

  /** The address of an array in the module's memory, or 0 of another. */
  #resident(name, array) {
    const { memory, arrays } = this.#library;
    if (array instanceof WasmArray) {
      if (arrays.get(array.at) !== array) throw new TypeError(`${name} lies in another module's memory`);
      return array.at;
    }
    if (array.buffer === memory.buffer) {
      const end = array.byteOffset + array.byteLength;
      for (const [at, owner] of arrays) {
        if (at <= array.byteOffset && end <= at + owner.byteLength) return array.byteOffset;
      }
      throw new TypeError(`${name} is a view of memory that has been freed`);
    }
    if (isStale(array)) throw new TypeError(`${name} is a view that was detached: take it anew`);
    return 0;
  }

  run(door, fields, type) {
    for (const slice of this.#slices) {
      for (const other of this.#slices) {
        const apart = slice.at + slice.bytes <= other.at || other.at + other.bytes <= slice.at;
        if (slice.output && other !== slice && !apart) {
          throw new TypeError(`${slice.name} and ${other.name} overlap`);
        }
      }
    }
    const { memory, exports, call } = this.#library;
    for (const { array, make, copyIn, copied, at, length } of this.#slices) {
      if (make && copyIn) new make(memory.buffer, at, length).fill(0);
      else if (copied && copyIn) new (kind(array))(memory.buffer, at, length).set(array);
    }
    const view = new DataView(memory.buffer, call, LAYOUT.size);
    for (const [name, { type, at }] of Object.entries(LAYOUT)) {
      const value = fields[name];
      if (type === "f64") view.setFloat64(at, value ?? 0, true);
      else if (type === "u32") view.setUint32(at, value ?? 0, true);
      else if (type === "slice") {
        view.setUint32(at, value?.at ?? 0, true);
        view.setUint32(at + 4, value?.length ?? 0, true);
      } else view.setBigInt64(at, value ?? 0n, true);
    }
    const error = exports[door](call);
    // No call grows the memory.
    if (error !== 0) {
      const number = (name) => view.getUint32(LAYOUT[name].at, true);
      const text = (name) => {
        const { at } = LAYOUT[name];
        return this.#library.text({ at: view.getUint32(at, true), length: view.getUint32(at + 4, true) });
      };
      const report = {
        value: view.getFloat64(LAYOUT.errorValue.at, true),
        label: (view.getBigInt64(LAYOUT.labelHigh.at, true) << 64n) + view.getBigUint64(LAYOUT.labelLow.at, true),
        index: number("errorIndex"),
        other: number("errorOther"),
        what: text("what"),
        domain: text("domain"),
      };
      throw new FusedLossError(error, report, type === "f32");
    }
    return view.getFloat64(LAYOUT.value.at, true);
  }

  /** The outputs that were asked for. */
  results() {
    const results = {};
    for (const { name, array, make, output, copied, at, length } of this.#slices) {
      if (!output) continue;
      const made = make ?? kind(array);
      if (copied) {
        const out = new made(this.#library.memory.buffer, at, length);
        if (array) array.set(out);
        results[name] = array ?? out.slice();
      } else {
        results[name] = array;
      }
    }
    return results;
  }

  end() {
    for (const { copied, at, bytes } of this.#slices) if (copied) this.#library.heap.release(at, bytes);
  }
}

// What callers give

function isTyped(array) {
  return ArrayBuffer.isView(array) && !(array instanceof DataView);
}

/** A typed array whose buffer is gone. */
function isStale(array) {
  return array.length === 0 && array.byteOffset === 0 && array.buffer.byteLength === 0 && isDetached(array.buffer);
}

function isDetached(buffer) {
  if ("detached" in buffer) return buffer.detached;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** The class of the elements of an array, in memory or not. */
function kind(array) {
  return array instanceof WasmArray ? ARRAYS[array.type] : isTyped(array) ? classOf(array) : undefined;
}

function classOf(array) {
  // By name, so that arrays of other realms (frames, test runners) are what they look like.
  return globalThis[Object.prototype.toString.call(array).slice(8, -1)];
}

function called(array) {
  return kind(array)?.name ?? (Array.isArray(array) ? "plain array" : array === null ? "null" : typeof array);
}

function floats(name, array) {
  const type = FLOATS.get(kind(array));
  if (!type) throw new TypeError(`${name} must be a Float32Array or a Float64Array, not a ${called(array)}`);
  return type;
}

function same(name, array, type, other = "") {
  if (kind(array) !== ARRAYS[type]) {
    throw new TypeError(`${name} must be a ${ARRAYS[type].name}${other}, not a ${called(array)}`);
  }
}

function known(options, names, of) {
  if (typeof options !== "object" || options === null) throw new TypeError(`the options of ${of} must be an object`);
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      throw new TypeError(`${of} has no option ${name}; ${names.length ? `it has ${names.join(", ")}` : "it has none"}`);
    }
  }
}

function number(name, value) {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number, not ${describe(value)}`);
  return value;
}

function boolean(name, value) {
  if (value !== undefined && typeof value !== "boolean") throw new TypeError(`${name} must be true or false, not ${describe(value)}`);
}

function whole(name, value) {
  if (!Number.isInteger(value) || value < 0 || value > MOST) {
    throw new TypeError(`${name} must be a whole number from 0 to ${MOST}, not ${describe(value)}`);
  }
  return value;
}

function describe(value) {
  return typeof value === "string" ? JSON.stringify(value) : isTyped(value) || Array.isArray(value) ? called(value) : String(value);
}

/** The number that stands for an option's value. */
function parameter(option, value) {
  if (value === undefined) return option.number;
  switch (option.kind) {
    case "flag":
      boolean(option.name, value);
      return +value;
    case "choice": {
      const index = option.choices.indexOf(value);
      if (index < 0) {
        throw new TypeError(`${option.name} must be one of ${option.choices.join(", ")}, not ${describe(value)}`);
      }
      return index;
    }
    case "whole":
      if (value === null) return option.number;
      if (typeof value === "bigint" ? BigInt.asIntN(64, value) !== value : !Number.isSafeInteger(value)) {
        throw new TypeError(`${option.name} must be a whole number or null, not ${describe(value)}`);
      }
      return Number(value);
    default:
      if (value === null && option.default === null) return option.number;
      return number(option.name, value);
  }
}

function camel(name) {
  return name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}
