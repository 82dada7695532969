//! The module that `index.js` loads: the list of losses, and one door each for losses and softmax, in both precisions.
//!
//! SAFETY, for the whole crate: only `index.js` calls these exports, and it keeps these rules. A [`Slice`] is nothing, or
//! lies within one block of `memory.js` that has not been released, aligned for its elements (blocks are, to 16 bytes, and
//! typed arrays are by themselves). Blocks lie beyond the stack and the data of the module, which allocates nothing.
//! No two slices of a call overlap where one of them is an output. Linear memory holds bytes everywhere, so that numbers need no initialisation. Nothing else runs during a call: there is one thread.
#![cfg_attr(target_arch = "wasm32", no_std)]

use core::slice;

use fused_loss::{
    AnyLoss, AnyRowLoss, AnyTargets, Batch, Elementwise, Entry, Error, Float, Label, Parameter, RowLosses,
    RowTargets, Rows, Softmax, Values,
};

/// A trap: the crate is not supposed to panic, and the text of a panic would be a tenth of the module.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Whether this is the build with simd128.
#[unsafe(no_mangle)]
pub extern "C" fn simd128() -> bool {
    cfg!(target_feature = "simd128")
}

/// Elements in memory, or nothing where the address is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slice {
    at: usize,
    length: usize,
}

impl Slice {
    fn of(text: &'static str) -> Self {
        Slice { at: text.as_ptr() as usize, length: text.len() }
    }

    fn get<'a, T>(self) -> Option<&'a [T]> {
        // SAFETY: see the head of the file; 0 is no block's address.
        (self.at != 0).then(|| unsafe { slice::from_raw_parts(self.at as *const T, self.length) })
    }

    fn get_mut<'a, T>(self) -> Option<&'a mut [T]> {
        // SAFETY: see the head of the file; 0 is no block's address.
        (self.at != 0).then(|| unsafe { slice::from_raw_parts_mut(self.at as *mut T, self.length) })
    }

    /// Flags, which are bytes of any value until now.
    fn get_flags<'a>(self) -> Option<&'a mut [bool]> {
        self.get_mut::<u8>()?.fill(0);
        self.get_mut()
    }
}

/// A call, as `index.js` writes it: see `LAYOUT` there.
#[repr(C)]
pub struct Call {
    scale: f64,
    ignore_index: i64,
    /// Which loss of the list, and whether the list is that of losses over rows.
    loss: usize,
    over_rows: u32,
    pred: Slice,
    target: Slice,
    /// 0 for a target each, else the type of labels.
    labels: u32,
    /// 0 where rows are not looked at.
    classes: usize,
    has_classes: u32,
    stride: usize,
    in_place: u32,
    weights: Slice,
    grad: Slice,
    add: u32,
    losses: Slice,
    class_weights: Slice,
    log_sums: Slice,
    hits: Slice,
    /// 1 for the label in `ignore_index`, 2 for none.
    ignore: u32,
    end: u32,
    count: usize,
    /// In the order of the list.
    parameters: Slice,
    /// What comes out of it: last, since what is far off takes longer code.
    value: f64,
    error: Report,
}

/// An error, without its text.
#[repr(C)]
pub struct Report {
    value: f64,
    /// Its low and its high half.
    label: [u64; 2],
    index: usize,
    other: usize,
    what: Slice,
    domain: Slice,
}

impl Report {
    /// Writes the error down; gives its number in the order of the enum, from 1.
    fn write<F: Float>(&mut self, error: Error<F>) -> u32 {
        let number = |x: F| x.to_f64();
        let (kind, what, index, other, value) = match error {
            Error::Length { what, expected, found } => (1, what, found, expected, 0.0),
            Error::Classes { pred, classes } => (2, "", pred, classes, 0.0),
            Error::Stride { stride, classes } => (3, "", stride, classes, 0.0),
            Error::ClassWeights { classes, found } => (4, "", found, classes, 0.0),
            Error::ClassWeight { class, value } => (5, "", class, 0, number(value)),
            Error::Rows { what, expected, found } => (6, what, found, expected, 0.0),
            Error::Label { index, value, classes } => {
                self.label = [value as u64, (value >> 64) as u64];
                (7, "", index, classes, 0.0)
            }
            Error::Empty => (8, "", 0, 0, 0.0),
            Error::NoWeights => (9, "", 0, 0, 0.0),
            Error::Unsupported { what } => (10, what, 0, 0, 0.0),
            Error::Parameter { name, value, domain } => {
                self.domain = Slice::of(domain);
                (11, name, 0, 0, number(value))
            }
            Error::Pred { index, value } => (12, "", index, 0, number(value)),
            Error::Target { index, value } => (13, "", index, 0, number(value)),
            Error::Weight { index, value } => (14, "", index, 0, number(value)),
            // Bytes: nothing here takes any.
            _ => (15, "", 0, 0, 0.0),
        };
        (self.what, self.index, self.other, self.value) = (Slice::of(what), index, other, value);
        kind
    }
}

/// Runs a loss. 0, or the number of the error.
///
/// # Safety
///
/// See the head of the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn loss_f32(call: &mut Call) -> u32 {
    run::<f32>(call)
}

/// See [`loss_f32`].
///
/// # Safety
///
/// See the head of the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn loss_f64(call: &mut Call) -> u32 {
    run::<f64>(call)
}

/// Runs softmax, log_softmax or log_sum_exp, which is `end`, over `pred` and into `grad`, or over `grad`; the temperature
/// is `scale`. 0, or the number of the error.
///
/// # Safety
///
/// See the head of the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn softmax_f32(call: &mut Call) -> u32 {
    softmax::<f32>(call)
}

/// See [`softmax_f32`].
///
/// # Safety
///
/// See the head of the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn softmax_f64(call: &mut Call) -> u32 {
    softmax::<f64>(call)
}

fn run<F: Float>(call: &mut Call) -> u32 {
    match run_loss::<F>(call) {
        Ok(value) => {
            call.value = value.to_f64();
            0
        }
        Err(error) => call.error.write(error),
    }
}

/// The line of the list that the call means. Both precisions have the same.
fn entry(call: &Call) -> Option<Entry> {
    match call.over_rows {
        0 => AnyLoss::<f32>::list().nth(call.loss),
        _ => AnyRowLoss::<f32>::list().nth(call.loss),
    }
}

/// The value of a parameter, among those of the line in their order.
#[inline(never)]
fn parameter(entry: &Entry, values: &[f64], wanted: &Parameter) -> Option<f64> {
    let place = entry.parameters.iter().position(|parameter| parameter.name == wanted.name)?;
    values.get(place).copied()
}

fn run_loss<F: Float>(call: &Call) -> Result<F, Error<F>> {
    let unknown = Error::Unsupported { what: "such name" };
    let entry = entry(call).ok_or(unknown)?;
    let values: &[f64] = call.parameters.get().unwrap_or_default();
    let parameter = |wanted: &Parameter| parameter(&entry, values, wanted).map(F::from_f64);
    let loss = if call.over_rows == 0 {
        let loss = AnyLoss::named(entry.name, parameter).ok_or(unknown)?;
        if call.has_classes == 0 {
            return end(call, elements(call, loss).any());
        }
        loss.into()
    } else {
        AnyRowLoss::named(entry.name, parameter).ok_or(unknown)?
    };
    end(call, over_rows(call, loss).any())
}

fn elements<F: Float>(call: &Call, loss: AnyLoss<F>) -> Batch<'_, AnyLoss<F>, F> {
    let target = call.target.get().unwrap_or_default();
    match call.in_place {
        0 => loss.batch(call.pred.get().unwrap_or_default(), target),
        _ => loss.batch_in_place(call.pred.get_mut().unwrap_or_default(), target),
    }
}

fn over_rows<F: Float>(
    call: &Call,
    mut loss: AnyRowLoss<F>,
) -> Batch<'_, AnyRowLoss<F>, F, RowTargets<'_, F>> {
    if call.ignore != 0 {
        loss = loss.ignoring((call.ignore == 1).then_some(call.ignore_index));
    }
    let rows = match call.in_place {
        0 => loss.rows(call.pred.get().unwrap_or_default(), call.classes),
        _ => loss.rows_in_place(call.pred.get_mut().unwrap_or_default(), call.classes),
    };
    let mut batch = targets(call, rows);
    if let Some(weights) = call.class_weights.get() {
        batch = batch.class_weights(weights);
    }
    if let Some(log_sums) = call.log_sums.get_mut() {
        batch = batch.log_sum_exp(log_sums);
    }
    if let Some(hits) = call.hits.get_flags() {
        batch = batch.hits(hits);
    }
    batch
}

fn targets<'a, F: Float>(
    call: &Call,
    rows: Rows<'a, AnyRowLoss<F>, F>,
) -> Batch<'a, AnyRowLoss<F>, F, RowTargets<'a, F>> {
    fn labels<'a, T: Label>(call: &Call) -> &'a [T] {
        call.target.get().unwrap_or_default()
    }
    let rows = rows.stride(call.stride);
    match call.labels {
        0 => rows.targets(call.target.get().unwrap_or_default()),
        1 => rows.labels(labels::<u8>(call)),
        2 => rows.labels(labels::<u16>(call)),
        3 => rows.labels(labels::<u32>(call)),
        4 => rows.labels(labels::<u64>(call)),
        5 => rows.labels(labels::<i32>(call)),
        _ => rows.labels(labels::<i64>(call)),
    }
}

/// Adds the options, and runs it to its end.
fn end<F: Float>(
    call: &Call,
    mut batch: Batch<'_, AnyRowLoss<F>, F, AnyTargets<'_, F>>,
) -> Result<F, Error<F>> {
    batch = batch.scale(F::from_f64(call.scale));
    if let Some(weights) = call.weights.get() {
        batch = batch.weights(weights);
    }
    if let Some(losses) = call.losses.get_mut() {
        batch = batch.losses(losses);
    }
    if let Some(grad) = call.grad.get_mut() {
        batch = if call.add == 0 { batch.gradient(grad) } else { batch.add_gradient(grad) };
    }
    match call.end {
        0 => batch.mean(),
        1 => batch.sum(),
        2 => batch.mean_over(call.count),
        3 => batch.weighted_mean(),
        _ => batch.check().map(|()| F::ZERO),
    }
}

fn softmax<F: Float>(call: &mut Call) -> u32 {
    let softmax = Softmax { temperature: F::from_f64(call.scale), level: None };
    let (logits, classes) = (call.pred.get(), call.classes);
    let into = call.grad.get_mut().unwrap_or_default();
    let done = match (call.end, logits) {
        (0, Some(logits)) => softmax.softmax(logits, classes, into),
        (0, None) => softmax.softmax_in_place(into, classes),
        (1, Some(logits)) => softmax.log_softmax(logits, classes, into),
        (1, None) => softmax.log_softmax_in_place(into, classes),
        (_, logits) => softmax.log_sum_exp(logits.unwrap_or_default(), classes, into),
    };
    done.map_or_else(|error| call.error.write(error), |()| 0)
}

/// Writes the list of losses, as much of it as there is room for; gives its length in bytes.
///
/// # Safety
///
/// `into` has room for so many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn list(into: *mut u8, room: usize) -> usize {
    let into = Slice { at: into as usize, length: room }.get_mut().unwrap_or_default();
    let mut list = List { into, length: 0 };
    // Entries are the same in both precisions.
    AnyLoss::<f32>::list().for_each(|entry| list.entry(&entry, false));
    AnyRowLoss::<f32>::list().for_each(|entry| list.entry(&entry, true));
    list.length
}

struct List<'a> {
    into: &'a mut [u8],
    length: usize,
}

impl List<'_> {
    fn entry(&mut self, entry: &Entry, over_rows: bool) {
        self.bytes(&[over_rows.into(), entry.rows.into()]);
        self.text(entry.name);
        self.text(entry.formula);
        self.count(entry.parameters.len());
        for parameter in entry.parameters {
            self.text(parameter.name);
            self.text(parameter.meaning);
            self.text(parameter.domain());
            self.bytes(&parameter.default.to_le_bytes());
            let (kind, choices) = match parameter.values {
                Values::Whole => (1, &[][..]),
                Values::Flag => (2, &[][..]),
                Values::Choice(choices) => (3, choices),
                _ => (0, &[][..]),
            };
            self.bytes(&[kind]);
            self.count(choices.len());
            choices.iter().for_each(|choice| self.text(choice));
        }
    }

    #[inline(never)]
    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.bytes(&(count as u16).to_le_bytes());
    }

    #[inline(never)]
    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(into) = self.into.get_mut(self.length..end) {
            into.copy_from_slice(bytes);
        }
        self.length = end;
    }
}
