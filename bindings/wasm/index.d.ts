/** The precision of a call is that of its predictions. */
export type Floats = Float32Array | Float64Array;
/** Class labels, one for each row. */
export type Labels =
  | Uint8Array | Uint8ClampedArray | Uint16Array | Uint32Array | BigUint64Array | Int32Array | BigInt64Array;
/** Any array that calls take. */
export type TypedArray = Floats | Labels;

/** An array, or one that lies in the module's memory. */
export type In<T extends TypedArray> = T | WasmArray<T>;
/** Where an output goes; `true` for a new array. */
export type Out<T extends TypedArray> = boolean | In<T>;

/** An array in the module's memory: calls take it without a copy. */
export interface WasmArray<T extends TypedArray> {
  readonly type: keyof ArrayTypes;
  readonly length: number;
  readonly byteLength: number;
  /** The elements. Take it anew after every call: memory that grows detaches the views of before. */
  readonly view: T;
  /** Gives the memory back; any use after that is an exception. */
  free(): void;
}
export declare const WasmArray: { readonly prototype: WasmArray<TypedArray> };

export interface ArrayTypes {
  f32: Float32Array;
  f64: Float64Array;
  u8: Uint8Array;
  u16: Uint16Array;
  u32: Uint32Array;
  i32: Int32Array;
  u64: BigUint64Array;
  i64: BigInt64Array;
}

/** Makes arrays in the module's memory: of zeros, or copies. */
export type Memory = { readonly [K in keyof ArrayTypes]: (of: number | ArrayTypes[K]) => WasmArray<ArrayTypes[K]> } & {
  readonly byteLength: number;
};

/** Options of losses, by the Rust crate's names in camelCase; `losses` lists those of each. */
export interface LossOptions {
  delta?: number;
  beta?: number;
  policy?: "exact" | "clamp" | "eps";
  eps?: number;
  posWeight?: number;
  logTarget?: boolean;
  predProbabilities?: boolean;
  /** Rows of this label are left out; null for none. */
  ignoreIndex?: number | bigint | null;
  labelSmoothing?: number;
  smoothingOverOthers?: boolean;
  zLoss?: number;
  softCap?: number | null;
  temperature?: number;
  targets?: "probabilities" | "log-probabilities" | "logits";
  [option: string]: number | bigint | boolean | string | null | undefined;
}

/** What a call may have. At most one of `grad`, `addGrad` and `inPlace`. */
export interface Call<T extends Floats> {
  /** Rows of so many classes: the target is a label for each, or a number for each class. */
  classes?: number;
  /** From the start of a row to that of the next. */
  stride?: number;
  /** A weight for each loss. */
  weights?: In<T>;
  /** Where the gradient is written, times `scale`. */
  grad?: Out<T>;
  /** What the gradient is added to. */
  addGrad?: In<T>;
  /** Whether the gradient takes the place of the predictions. */
  inPlace?: boolean;
  /** Where each loss is written. */
  losses?: Out<T>;
  /** A factor of the gradient. */
  scale?: number;
  /** A factor for each class. */
  classWeights?: In<T>;
  /** Where each row's log-sum-exp is written. */
  logSumExp?: Out<T>;
  /** Where it is written whether each row's greatest logit is that of its target. */
  hits?: Out<Uint8Array>;
}

type Given<C, K extends string, T extends TypedArray> =
  C extends { [P in K]: infer O } ? (O extends true ? T : O extends WasmArray<T> | T ? O : never) : never;

/** The value, and the outputs that the call `C` asks for. */
export type Result<T extends Floats, C> = {
  value: number;
} & (C extends { grad: unknown } ? { grad: Given<C, "grad", T> } : {}) &
  (C extends { addGrad: unknown } ? { grad: Given<C, "addGrad", T> } : {}) &
  (C extends { inPlace: true } ? { grad: In<T> } : {}) &
  (C extends { losses: unknown } ? { losses: Given<C, "losses", T> } : {}) &
  (C extends { logSumExp: unknown } ? { logSumExp: Given<C, "logSumExp", T> } : {}) &
  (C extends { hits: unknown } ? { hits: Given<C, "hits", Uint8Array> } : {});

type Target<T extends Floats> = In<T> | In<Labels>;

export interface Loss {
  readonly name: string;
  /** PyTorch's mean: over elements, over the rows that take part, or over their labels' class weights. */
  mean<T extends Floats, const C extends Call<T>>(pred: In<T>, target: Target<T>, call?: C): Result<T, C>;
  sum<T extends Floats, const C extends Call<T>>(pred: In<T>, target: Target<T>, call?: C): Result<T, C>;
  /** Over the sum of the weights. */
  weightedMean<T extends Floats, const C extends Call<T>>(pred: In<T>, target: Target<T>, call?: C): Result<T, C>;
  /** Over a count of the caller's. */
  meanOver<T extends Floats, const C extends Call<T>>(count: number, pred: In<T>, target: Target<T>, call?: C): Result<T, C>;
  /** Makes every check, and writes nothing. */
  check<T extends Floats>(pred: In<T>, target: Target<T>, call?: Call<T>): void;
}

export interface SoftmaxCall<T extends Floats> {
  classes: number;
  /** The logits are divided by it. */
  temperature?: number;
  /** Where the results are written, instead of a new array. */
  out?: In<T>;
}

export interface LossOption {
  readonly name: string;
  readonly meaning: string;
  /** What it must be, in words. */
  readonly domain: string;
  readonly kind: "number" | "whole" | "flag" | "choice";
  readonly choices?: readonly string[];
  readonly default: number | boolean | string | null;
}

export interface LossEntry {
  readonly name: string;
  readonly formula: string;
  /** Whether calls need `classes`. */
  readonly rows: boolean;
  readonly options: readonly LossOption[];
}

export interface FusedLoss {
  readonly build: "simd128" | "plain";
  readonly losses: readonly LossEntry[];
  readonly memory: Memory;
  loss(name: string, options?: LossOptions): Loss;
  softmax<T extends Floats>(logits: In<T>, call: SoftmaxCall<T> & { inPlace?: boolean }): In<T>;
  logSoftmax<T extends Floats>(logits: In<T>, call: SoftmaxCall<T> & { inPlace?: boolean }): In<T>;
  logSumExp<T extends Floats>(logits: In<T>, call: SoftmaxCall<T>): In<T>;
}

/** What the Rust crate refuses, in its words. */
export declare class FusedLossError extends Error {
  /** The variant of the Rust crate's error, like "Pred" or "Label". */
  readonly kind: string;
  /** Where it is wrong: an element, a row's label or weight, a class. */
  readonly index: number | undefined;
  /** What is wrong there. */
  readonly value: number | bigint | undefined;
}

export interface LoadOptions {
  /** Instead of the best build that the engine runs. */
  build?: "simd128" | "plain";
  /** The module, instead of the file beside this one. */
  bytes?: BufferSource | WebAssembly.Module;
}

/** Loads the module: the build with simd128 where the engine has it, else the plain one. Each has its own memory. */
export declare function load(options?: LoadOptions): Promise<FusedLoss>;
