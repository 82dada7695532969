//! From C's pointers to slices, and from a batch to a status.
//!
//! SAFETY, for the whole file. The caller of a C function promises that each pointer has as many elements of its type as
//! the header says, which nobody else writes meanwhile. The rest is checked before any slice is made: null, alignment,
//! length, and that no output overlaps anything else. So every slice is valid, and a `&mut` one is the only way to its
//! memory. An output of C may hold bytes that were never written; numbers are read from it only to add a gradient, and
//! then the caller has promised that they are there. Values and errors are written when all slices are gone.
#![allow(unsafe_code)]

use core::mem::{align_of, size_of};
use core::slice;

use kernels::{Batch, Elementwise, Error, Float, Label, Loss, RowLoss, RowTargets, Rows, Softmax, Targets};

use crate::types::*;
use FusedLossStatus as Status;

/// Memory that a call reads or writes: where it begins and how many bytes it has.
#[derive(Clone, Copy, PartialEq)]
struct Region {
    start: usize,
    bytes: usize,
}

impl Region {
    const NONE: Self = Region { start: 0, bytes: 0 };

    /// The region of `len` elements, which may be there. A null pointer is none if it is `optional`.
    fn of<T>(pointer: *const T, len: usize) -> Result<Self, Status> {
        let bytes = len.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok());
        let bytes = bytes.ok_or(Status::Length)?;
        if bytes == 0 {
            return Ok(Region::NONE);
        }
        let start = pointer.addr();
        if start == 0 || !start.is_multiple_of(align_of::<T>()) || start.checked_add(bytes).is_none() {
            return Err(Status::Pointer);
        }
        Ok(Region { start, bytes })
    }

    /// The same, of none where the pointer is null.
    fn optional<T>(pointer: *const T, len: usize) -> Result<Self, Status> {
        if pointer.is_null() { Ok(Region::NONE) } else { Region::of(pointer, len) }
    }

    fn overlaps(self, other: Self) -> bool {
        let ends_after = |one: Self, start: usize| one.start + one.bytes > start;
        self.bytes > 0 && other.bytes > 0 && ends_after(self, other.start) && ends_after(other, self.start)
    }
}

/// `Err(Overlap)` where an output overlaps an input or another output.
fn check_apart(inputs: &[Region], outputs: &[Region]) -> Result<(), Status> {
    let mut rest = outputs;
    while let Some((output, others)) = rest.split_first() {
        rest = others;
        if inputs.iter().chain(others).any(|other| output.overlaps(*other)) {
            return Err(Status::Overlap);
        }
    }
    Ok(())
}

/// # Safety
/// `Region::of` this is right, or the pointer is null; see the head of the file.
unsafe fn input<'a, T>(pointer: *const T, len: usize) -> Option<&'a [T]> {
    match (pointer.is_null(), len) {
        (true, _) => None,
        (false, 0) => Some(&[]),
        // SAFETY: not null, and the rest is the caller's promise.
        _ => Some(unsafe { slice::from_raw_parts(pointer, len) }),
    }
}

/// # Safety
/// As `input`, and the region overlaps no other.
unsafe fn output<'a, T>(pointer: *mut T, len: usize) -> Option<&'a mut [T]> {
    match (pointer.is_null(), len) {
        (true, _) => None,
        (false, 0) => Some(&mut []),
        // SAFETY: not null, and the rest is the caller's promise.
        _ => Some(unsafe { slice::from_raw_parts_mut(pointer, len) }),
    }
}

/// Why a call failed, and where.
struct Failure<F> {
    status: Status,
    place: Option<FusedLossError<F>>,
}

impl<F> From<Status> for Failure<F> {
    fn from(status: Status) -> Self {
        Failure { status, place: None }
    }
}

impl<F: Float> From<Error<F>> for Failure<F> {
    fn from(error: Error<F>) -> Self {
        let (status, place) = Status::of(error);
        Failure { status, place: Some(place) }
    }
}

/// What all losses have of a call.
pub struct Call<F> {
    pub pred: *const F,
    pub options: *const FusedLossOptions<F>,
    pub grad: *mut F,
    pub value: *mut F,
}

/// Predictions, and the gradient where there is one.
pub enum Pred<'a, F> {
    Apart(&'a [F]),
    InPlace(&'a mut [F]),
}

impl<F: Float> Call<F> {
    fn options(&self) -> Result<FusedLossOptions<F>, Status> {
        Region::optional(self.value, 1)?;
        let null = core::ptr::null_mut();
        if self.options.is_null() {
            return Ok(FusedLossOptions {
                weights: null,
                losses: null,
                error: core::ptr::null_mut(),
                scale: F::ONE,
                has_scale: true,
                add_gradient: false,
                reduction: FUSED_LOSS_REDUCTION_MEAN,
                count: 0,
                stride: 0,
                class_weights: null,
                log_sum_exp: null,
                hits: core::ptr::null_mut(),
            });
        }
        Region::of(self.options, 1)?;
        // SAFETY: aligned and not null; the caller has initialised it.
        let options = unsafe { *self.options };
        Region::optional(options.error, 1)?;
        Ok(options)
    }

    fn in_place(&self, options: &FusedLossOptions<F>, elements: usize) -> Result<bool, Status> {
        let in_place = elements > 0 && self.grad.cast_const() == self.pred;
        if in_place && options.add_gradient { Err(Status::Option) } else { Ok(in_place) }
    }

    /// Writes what a call gives.
    ///
    /// # Safety
    /// The options are this call's, and no slice is left that the value or the error lies in.
    unsafe fn finish(&self, options: &FusedLossOptions<F>, result: Result<F, Failure<F>>) -> Status {
        match result {
            Ok(value) => {
                if !self.value.is_null() {
                    // SAFETY: aligned, checked with the options; the caller's memory.
                    unsafe { self.value.write(value) }
                }
                Status::Ok
            }
            Err(Failure { status, place }) => {
                if let (Some(place), false) = (place, options.error.is_null()) {
                    // SAFETY: aligned, checked with the options; the caller's memory.
                    unsafe { options.error.write(place) }
                }
                status
            }
        }
    }
}

/// Runs an elementwise loss.
///
/// # Safety
/// See the head of the file.
pub unsafe fn elementwise<F: Float, L: Loss<F>>(
    loss: Result<L, Status>,
    call: Call<F>,
    target: *const F,
    len: usize,
) -> Status {
    let options = match call.options() {
        Ok(options) => options,
        Err(status) => return status,
    };
    let run = || -> Result<F, Failure<F>> {
        let loss = loss?;
        let of_rows =
            !options.class_weights.is_null() || !options.log_sum_exp.is_null() || !options.hits.is_null();
        if of_rows || options.stride != 0 {
            return Err(Status::Unsupported.into());
        }
        let in_place = call.in_place(&options, len)?;
        let pred = Region::of(call.pred, len)?;
        let inputs = [
            if in_place { Region::NONE } else { pred },
            Region::of(target, len)?,
            Region::optional(options.weights, len)?,
        ];
        let outputs = [Region::optional(call.grad, len)?, Region::optional(options.losses, len)?];
        check_apart(&inputs, &outputs)?;
        // SAFETY: all regions are right, and outputs overlap nothing.
        let (target, weights, grad, losses) = unsafe {
            (
                input(target, len).unwrap_or_default(),
                input(options.weights, len),
                output(call.grad, len),
                output(options.losses, len),
            )
        };
        let batch = match (in_place, grad) {
            (true, Some(pred)) => loss.batch_in_place(pred, target),
            (_, grad) => {
                // SAFETY: the region is right, and no output overlaps it.
                let pred = unsafe { input(call.pred, len) }.unwrap_or_default();
                with_gradient(loss.batch(pred, target), grad, options.add_gradient)
            }
        };
        end(batch, weights, losses, &options)
    };
    let result = run();
    // SAFETY: the slices are gone.
    unsafe { call.finish(&options, result) }
}

fn with_gradient<'a, L: Copy, F: Float, T: Targets<L, F>>(
    batch: Batch<'a, L, F, T>,
    grad: Option<&'a mut [F]>,
    add: bool,
) -> Batch<'a, L, F, T> {
    match grad {
        Some(grad) if add => batch.add_gradient(grad),
        Some(grad) => batch.gradient(grad),
        None => batch,
    }
}

/// The options that all batches have, and the reduction.
fn end<'a, L: Copy, F: Float, T: Targets<L, F>>(
    mut batch: Batch<'a, L, F, T>,
    weights: Option<&'a [F]>,
    losses: Option<&'a mut [F]>,
    options: &FusedLossOptions<F>,
) -> Result<F, Failure<F>> {
    if let Some(weights) = weights {
        batch = batch.weights(weights);
    }
    if let Some(losses) = losses {
        batch = batch.losses(losses);
    }
    if options.has_scale {
        batch = batch.scale(options.scale);
    }
    Ok(match options.reduction {
        FUSED_LOSS_REDUCTION_MEAN => batch.mean(),
        FUSED_LOSS_REDUCTION_SUM => batch.sum(),
        FUSED_LOSS_REDUCTION_MEAN_OVER => batch.mean_over(options.count),
        FUSED_LOSS_REDUCTION_WEIGHTED_MEAN => batch.weighted_mean(),
        _ => return Err(Status::Option.into()),
    }?)
}

/// Targets of rows and the shape of the predictions.
#[derive(Clone, Copy)]
pub struct Shape {
    pub rows: usize,
    pub classes: usize,
    pub target: *const core::ffi::c_void,
    pub kind: FusedLossTarget,
}

/// Options that only some losses over rows have: each takes its own, and what is left is not supported.
pub struct Extras<'a, F> {
    pub class_weights: Option<&'a [F]>,
    pub log_sum_exp: Option<&'a mut [F]>,
    pub hits: Option<&'a mut [bool]>,
}

/// Runs a loss over rows, which `begin` begins and `extend` gives the extras that it has.
///
/// # Safety
/// See the head of the file.
pub unsafe fn rows<'a, F: Float, L: RowLoss<F>>(
    begin: impl FnOnce(Pred<'a, F>, usize) -> Result<Rows<'a, L, F>, Status>,
    extend: impl FnOnce(
        Batch<'a, L, F, RowTargets<'a, F>>,
        &mut Extras<'a, F>,
    ) -> Batch<'a, L, F, RowTargets<'a, F>>,
    call: Call<F>,
    shape: Shape,
) -> Status {
    let options = match call.options() {
        Ok(options) => options,
        Err(status) => return status,
    };
    let run = || -> Result<F, Failure<F>> {
        let Shape { rows, classes, target, kind } = shape;
        let stride = if options.stride == 0 { classes } else { options.stride };
        if classes == 0 {
            return Err(Status::Classes.into());
        }
        if stride < classes {
            return Err(Status::Stride.into());
        }
        // The last row ends where its classes do: what lies behind need not be there.
        let whole = rows.checked_mul(stride).ok_or(Status::Length)?;
        let len = whole.saturating_sub(stride - classes);
        let in_place = call.in_place(&options, len)?;
        let pred = Region::of(call.pred, len)?;
        let inputs = [
            if in_place { Region::NONE } else { pred },
            match kind {
                FUSED_LOSS_TARGET_ROWS => Region::of(target.cast::<F>(), len),
                FUSED_LOSS_TARGET_U8 => Region::of(target.cast::<u8>(), rows),
                FUSED_LOSS_TARGET_U16 => Region::of(target.cast::<u16>(), rows),
                FUSED_LOSS_TARGET_U32 => Region::of(target.cast::<u32>(), rows),
                FUSED_LOSS_TARGET_U64 => Region::of(target.cast::<u64>(), rows),
                FUSED_LOSS_TARGET_I32 => Region::of(target.cast::<i32>(), rows),
                FUSED_LOSS_TARGET_I64 => Region::of(target.cast::<i64>(), rows),
                _ => Err(Status::Option),
            }?,
            Region::optional(options.weights, rows)?,
            Region::optional(options.class_weights, classes)?,
        ];
        let outputs = [
            Region::optional(call.grad, len)?,
            Region::optional(options.losses, rows)?,
            Region::optional(options.log_sum_exp, rows)?,
            Region::optional(options.hits, rows)?,
        ];
        check_apart(&inputs, &outputs)?;
        if !options.hits.is_null() && rows > 0 {
            // SAFETY: the region is right. A bool must be one before there is a slice of it.
            unsafe { options.hits.write_bytes(0, rows) }
        }
        // SAFETY: all regions are right, and outputs overlap nothing.
        let (weights, grad, losses, mut extras) = unsafe {
            (
                input(options.weights, rows),
                output(call.grad, len),
                output(options.losses, rows),
                Extras {
                    class_weights: input(options.class_weights, classes),
                    log_sum_exp: output(options.log_sum_exp, rows),
                    hits: output(options.hits, rows),
                },
            )
        };
        let (pred, grad) = match (in_place, grad) {
            (true, Some(pred)) => (Pred::InPlace(pred), None),
            // SAFETY: the region is right, and no output overlaps it.
            (_, grad) => (Pred::Apart(unsafe { input(call.pred, len) }.unwrap_or_default()), grad),
        };
        let begun = begin(pred, classes)?.stride(stride);
        // SAFETY: the region of the target is right, of this type.
        let batch = unsafe {
            match kind {
                FUSED_LOSS_TARGET_U8 => labels::<F, L, u8>(begun, target, rows),
                FUSED_LOSS_TARGET_U16 => labels::<F, L, u16>(begun, target, rows),
                FUSED_LOSS_TARGET_U32 => labels::<F, L, u32>(begun, target, rows),
                FUSED_LOSS_TARGET_U64 => labels::<F, L, u64>(begun, target, rows),
                FUSED_LOSS_TARGET_I32 => labels::<F, L, i32>(begun, target, rows),
                FUSED_LOSS_TARGET_I64 => labels::<F, L, i64>(begun, target, rows),
                _ => begun.targets(input(target.cast::<F>(), len).unwrap_or_default()),
            }
        };
        let batch = extend(with_gradient(batch, grad, options.add_gradient), &mut extras);
        if extras.class_weights.is_some() || extras.log_sum_exp.is_some() || extras.hits.is_some() {
            return Err(Status::Unsupported.into());
        }
        end(batch, weights, losses, &options)
    };
    let result = run();
    // SAFETY: the slices are gone.
    unsafe { call.finish(&options, result) }
}

/// # Safety
/// As `input`.
unsafe fn labels<'a, F: Float, L: RowLoss<F>, T: Label + 'a>(
    rows: Rows<'a, L, F>,
    labels: *const core::ffi::c_void,
    count: usize,
) -> Batch<'a, L, F, RowTargets<'a, F>> {
    // SAFETY: the caller's promise.
    rows.labels(unsafe { input(labels.cast::<T>(), count) }.unwrap_or_default())
}

/// What of a softmax is written.
#[derive(Clone, Copy)]
pub enum Form {
    Softmax,
    LogSoftmax,
    LogSumExp,
}

/// Runs a softmax.
///
/// # Safety
/// See the head of the file.
pub unsafe fn softmax<F: Float>(
    form: Form,
    logits: *const F,
    rows: usize,
    classes: usize,
    temperature: F,
    into: *mut F,
) -> Status {
    let run = || -> Result<(), Failure<F>> {
        if classes == 0 {
            return Err(Status::Classes.into());
        }
        let len = rows.checked_mul(classes).ok_or(Status::Length)?;
        let room = if let Form::LogSumExp = form { rows } else { len };
        let (from, to) = (Region::of(logits, len)?, Region::of(into, room)?);
        let in_place = !matches!(form, Form::LogSumExp) && from == to;
        if !in_place {
            check_apart(&[from], &[to])?;
        }
        // SAFETY: the region is right, and overlaps nothing that a slice is made of.
        let into = unsafe { output(into, room) }.unwrap_or_default();
        let softmax = Softmax { temperature, level: None };
        match form {
            Form::Softmax if in_place => softmax.softmax_in_place(into, classes)?,
            Form::LogSoftmax if in_place => softmax.log_softmax_in_place(into, classes)?,
            _ => {
                // SAFETY: the region is right, and the output does not overlap it.
                let logits = unsafe { input(logits, len) }.unwrap_or_default();
                match form {
                    Form::Softmax => softmax.softmax(logits, classes, into)?,
                    Form::LogSoftmax => softmax.log_softmax(logits, classes, into)?,
                    Form::LogSumExp => softmax.log_sum_exp(logits, classes, into)?,
                }
            }
        }
        Ok(())
    };
    run().map_or_else(|failure| failure.status, |()| Status::Ok)
}
