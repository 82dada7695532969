// The text of errors: that of the Rust crate, word for word. (Its formatting of floats would be a tenth of the module.)

/** Kinds of errors, in the order of the Rust enum, and what each says. */
const KINDS = [
  ["Length", (e) => `${e.what} has ${e.index} elements where pred has ${e.other}`],
  ["Classes", (e) => `pred has ${e.index} elements, which are no rows of ${e.other} classes`],
  ["Stride", (e) => `stride is ${e.index}, less than the ${e.other} classes of a row`],
  ["ClassWeights", (e) => `class_weights has ${e.index} elements where there are ${e.other} classes`],
  ["ClassWeight", (e) => `class_weights[${e.index}] is ${e.number}, but must be finite`],
  ["Rows", (e) => `${e.what} has ${e.index} elements where pred has ${e.other} rows`],
  ["Label", (e) => `labels[${e.index}] is ${e.label}, which is none of the ${e.other} classes, counted from 0`],
  ["Empty", () => "mean of nothing: no element takes part, or the weights sum to 0"],
  ["NoWeights", () => "a weighted mean needs weights"],
  ["Unsupported", (e) => `the loss takes no ${e.what}`],
  ["Parameter", (e) => `${e.what} is ${e.number}, but must be ${e.domain}`],
  ["Pred", (e) => `pred[${e.index}] is ${e.number}, outside the domain of the loss`],
  ["Target", (e) => `target[${e.index}] is ${e.number}, outside the domain of the loss`],
  ["Weight", (e) => `weights[${e.index}] is ${e.number}, but must be finite`],
];
const INDEXED = new Set(["ClassWeight", "Label", "Pred", "Target", "Weight"]);
const VALUED = new Set(["ClassWeight", "Parameter", "Pred", "Target", "Weight"]);

/** What the Rust crate refuses, in its words. */
export class FusedLossError extends Error {
  /** @param report the number of the error, from 1, and its fields; `single` where floats are f32 */
  constructor(number, report, single) {
    const [kind, text] = KINDS[number - 1] ?? ["Other", () => `error ${number}`];
    super(text({ ...report, number: VALUED.has(kind) ? floatText(report.value, single) : undefined }));
    this.name = "FusedLossError";
    /** The variant of the Rust enum. */
    this.kind = kind;
    /** The place of what is wrong: an element, a row's label or weight, a class. */
    this.index = INDEXED.has(kind) ? report.index : undefined;
    /** What is wrong there: a bigint for labels. */
    this.value = kind === "Label" ? report.label : VALUED.has(kind) ? report.value : undefined;
  }
}

/** A float as Rust prints it: the shortest digits that give it back in its own precision, never an exponent. */
export function floatText(x, single) {
  if (Number.isNaN(x)) return "NaN";
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  x = Math.abs(x);
  if (x === Infinity) return `${sign}inf`;
  if (x === 0) return `${sign}0`;
  const [digits, exponent] = single ? shortest(x) : parts(x.toExponential());
  const point = exponent + 1;
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits.padEnd(point, "0");
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** The digits and the exponent of a number like 1.25e-7. */
function parts(text) {
  const [mantissa, exponent] = text.split("e");
  return [mantissa.replace(".", ""), Number(exponent)];
}

/** The fewest digits that give an f32 back; of as few, the nearest. */
function shortest(x) {
  for (let precision = 1; ; precision++) {
    const [digits, exponent] = parts(x.toExponential(precision - 1));
    // Above a power of two numbers lie wider apart than below: where the nearest digits fail, the next may do.
    for (const step of [0, 1, -1]) {
      const candidate = String(Number(digits) + step);
      const shift = candidate.length - digits.length;
      if (Math.fround(Number(`${candidate}e${exponent - precision + 1}`)) === x) {
        const trimmed = candidate.replace(/0+$/, "");
        return [trimmed, exponent + shift];
      }
    }
  }
}
