//! What C sees: statuses, choices and options.

use core::ffi::c_char;

use kernels::{Error, Float, Smoothing, SoftmaxCrossEntropy};

/// What became of a call.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FusedLossStatus {
    /// It succeeded.
    Ok = 0,
    /// A pointer is null where there are elements, or not aligned.
    Pointer = 1,
    /// A length in bytes is more than half of all memory.
    Length = 2,
    /// An output overlaps an input or another output.
    Overlap = 3,
    /// A choice among options is none, or options do not go together.
    Option = 4,
    /// The loss has no use for an option that is set.
    Unsupported = 5,
    /// A row has no classes.
    Classes = 6,
    /// The stride is less than the number of classes.
    Stride = 7,
    /// A mean over nothing: no elements, a count of 0, or weights whose sum is 0.
    Empty = 8,
    /// A weighted mean without weights.
    NoWeights = 9,
    /// A parameter of the loss, or the scale, lies outside its domain. The error has its value.
    Parameter = 10,
    /// A prediction lies outside the domain of the loss. The error has its index and value.
    Pred = 11,
    /// A target lies outside the domain of the loss. The error has its index and value.
    Target = 12,
    /// A weight is infinite or NaN. The error has its index and value.
    Weight = 13,
    /// A label is no class. The error has its index.
    Label = 14,
    /// The weight of a class is infinite or NaN. The error has its index and value.
    ClassWeight = 15,
}

use FusedLossStatus as Status;

/// A status in English, as a static string; never null.
#[unsafe(no_mangle)]
pub extern "C" fn fused_loss_status_text(status: u32) -> *const c_char {
    const TEXTS: [&core::ffi::CStr; 16] = [
        c"success",
        c"a pointer is null or not aligned",
        c"a length is too large",
        c"an output overlaps an input or another output",
        c"an option is no choice, or does not go with another",
        c"the loss has no use for an option",
        c"rows have no classes",
        c"the stride is less than the number of classes",
        c"mean of nothing: no element takes part, or the weights sum to 0",
        c"a weighted mean needs weights",
        c"a parameter is outside its domain",
        c"a prediction is outside the domain of the loss",
        c"a target is outside the domain of the loss",
        c"a weight is not finite",
        c"a label is no class",
        c"the weight of a class is not finite",
    ];
    TEXTS.get(status as usize).copied().unwrap_or(c"unknown status").as_ptr()
}

/// How losses become one value: a FUSED_LOSS_REDUCTION. The gradient is that of the value.
pub type FusedLossReduction = u32;
/// The sum over the number of losses; for labels, over the sum of their class weights. As PyTorch's mean.
pub const FUSED_LOSS_REDUCTION_MEAN: FusedLossReduction = 0;
/// The sum.
pub const FUSED_LOSS_REDUCTION_SUM: FusedLossReduction = 1;
/// The sum over `count`.
pub const FUSED_LOSS_REDUCTION_MEAN_OVER: FusedLossReduction = 2;
/// The sum of the weighted losses over the sum of the weights.
pub const FUSED_LOSS_REDUCTION_WEIGHTED_MEAN: FusedLossReduction = 3;

/// What binary cross-entropy does at probabilities of 0 and 1: a FUSED_LOSS_POLICY.
pub type FusedLossPolicy = u32;
/// The formula as it stands: infinite where the target asks for the impossible.
pub const FUSED_LOSS_POLICY_EXACT: FusedLossPolicy = 0;
/// Logarithms below -100 are -100, as PyTorch has it, and their slope is 0.
pub const FUSED_LOSS_POLICY_CLAMP: FusedLossPolicy = 1;
/// Probabilities are clipped to eps..1 - eps, as Keras has it.
pub const FUSED_LOSS_POLICY_EPS: FusedLossPolicy = 2;

/// What rows of predictions are compared with: a FUSED_LOSS_TARGET.
pub type FusedLossTarget = u32;
/// A number for each prediction, of the predictions' type and stride.
pub const FUSED_LOSS_TARGET_ROWS: FusedLossTarget = 0;
/// A label for each row, counted from 0, as uint8_t.
pub const FUSED_LOSS_TARGET_U8: FusedLossTarget = 1;
/// As uint16_t.
pub const FUSED_LOSS_TARGET_U16: FusedLossTarget = 2;
/// As uint32_t.
pub const FUSED_LOSS_TARGET_U32: FusedLossTarget = 3;
/// As uint64_t.
pub const FUSED_LOSS_TARGET_U64: FusedLossTarget = 4;
/// As int32_t.
pub const FUSED_LOSS_TARGET_I32: FusedLossTarget = 5;
/// As int64_t.
pub const FUSED_LOSS_TARGET_I64: FusedLossTarget = 6;

/// What target rows of a divergence hold: a FUSED_LOSS_KIND.
pub type FusedLossKind = u32;
/// Probabilities.
pub const FUSED_LOSS_KIND_PROBABILITIES: FusedLossKind = 0;
/// Logarithms of probabilities.
pub const FUSED_LOSS_KIND_LOG_PROBABILITIES: FusedLossKind = 1;
/// Logits, of which the softmax is meant.
pub const FUSED_LOSS_KIND_LOGITS: FusedLossKind = 2;

/// Where the first bad value is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FusedLossError<F> {
    /// Its index: in its own array.
    pub index: usize,
    /// Its value; 0 for labels.
    pub value: F,
}

/// Options of a call. All bytes 0 are the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FusedLossOptions<F> {
    /// A weight for each loss, or null. Weight 0 masks: loss and gradient are 0 and the target is not checked.
    pub weights: *const F,
    /// Where each loss is written, or null: weighted, neither scaled nor divided.
    pub losses: *mut F,
    /// Where the first bad value is written, or null.
    pub error: *mut FusedLossError<F>,
    /// What the gradient is multiplied by, where `has_scale` is set, else 1. Finite.
    pub scale: F,
    /// Whether `scale` counts.
    pub has_scale: bool,
    /// Whether the gradient is added to what `grad` holds. Not where that is the predictions.
    pub add_gradient: bool,
    /// A FUSED_LOSS_REDUCTION; 0 is the mean.
    pub reduction: FusedLossReduction,
    /// The denominator of FUSED_LOSS_REDUCTION_MEAN_OVER.
    pub count: usize,
    /// Rows only: elements from the start of a row to that of the next, in predictions, gradient and target rows. 0: classes.
    pub stride: usize,
    /// Rows only: a factor for each class, or null.
    pub class_weights: *const F,
    /// Rows only: where each row's log-sum-exp is written, or null.
    pub log_sum_exp: *mut F,
    /// Rows only: where it is written whether a row's greatest logit is that of its label or greatest target, or null.
    pub hits: *mut bool,
}

/// Parameters of softmax cross-entropy. All bytes 0 are the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FusedLossSoftmaxCrossEntropy<F> {
    /// Rows of this label are left out, where `has_ignore_index` is set, else those of -100.
    pub ignore_index: i64,
    /// Whether `ignore_index` counts.
    pub has_ignore_index: bool,
    /// Whether smoothing spreads over the other classes alone.
    pub smoothing_over_others: bool,
    /// What of a label is spread over all classes, from 0 to 1.
    pub label_smoothing: F,
    /// The factor of the squared log-sum-exp, from 0 on.
    pub z_loss: F,
    /// Logits are c tanh(z / c) first; 0: as they are.
    pub soft_cap: F,
    /// Logits are divided by it; 0: by 1.
    pub temperature: F,
}

impl<F: Float> FusedLossSoftmaxCrossEntropy<F> {
    pub(crate) fn loss(self) -> SoftmaxCrossEntropy<F> {
        let default = SoftmaxCrossEntropy::<F>::default();
        let own = |x: F| (x != F::ZERO).then_some(x);
        SoftmaxCrossEntropy {
            ignore_index: if self.has_ignore_index { Some(self.ignore_index) } else { default.ignore_index },
            smoothing: if self.smoothing_over_others {
                Smoothing::OtherClasses(self.label_smoothing)
            } else {
                Smoothing::AllClasses(self.label_smoothing)
            },
            z_loss: self.z_loss,
            soft_cap: own(self.soft_cap),
            temperature: own(self.temperature).unwrap_or(F::ONE),
        }
    }
}

impl Status {
    /// The status of an error, and where it is.
    pub(crate) fn of<F: Float>(error: Error<F>) -> (Self, FusedLossError<F>) {
        let (status, index, value) = match error {
            Error::Classes { .. } => (Status::Classes, 0, F::ZERO),
            Error::Stride { .. } => (Status::Stride, 0, F::ZERO),
            Error::Empty => (Status::Empty, 0, F::ZERO),
            Error::NoWeights => (Status::NoWeights, 0, F::ZERO),
            Error::Parameter { value, .. } => (Status::Parameter, 0, value),
            Error::Pred { index, value } => (Status::Pred, index, value),
            Error::Target { index, value } => (Status::Target, index, value),
            Error::Weight { index, value } => (Status::Weight, index, value),
            Error::Label { index, .. } => (Status::Label, index, F::ZERO),
            Error::ClassWeight { class, value } => (Status::ClassWeight, class, value),
            Error::Length { .. } | Error::Rows { .. } | Error::ClassWeights { .. } => {
                (Status::Length, 0, F::ZERO)
            }
            _ => (Status::Unsupported, 0, F::ZERO),
        };
        (status, FusedLossError { index, value })
    }
}
