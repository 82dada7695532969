//! What each loss costs a program: images that call one loss or two, which `ci/sizes.sh` links and weighs, and runs on a
//! microcontroller.
//!
//! The linker names the calls: an image is `first` and `second`, each of them one of the functions of this file.
#![no_std]

#[cfg(target_arch = "arm")]
mod board;

use core::hint::black_box;

use fused_loss::{
    BceWithLogits, BinaryCrossEntropy, CategoricalCrossEntropy, Elementwise, Error, GeneralizedKl, HalfMse,
    Huber, JensenShannon, KlDivergence, Mae, Mse, NegativeLogLikelihood, Policy, RowLosses, SmoothL1,
    SoftmaxCrossEntropy, SoftmaxKl,
};

const COUNT: usize = 8;
const CLASSES: usize = 4;

/// What a training step has in memory, so that no call can be worked out ahead.
#[repr(C)]
pub struct Step {
    pred: [f32; COUNT],
    target: [f32; COUNT],
    grad: [f32; COUNT],
    labels: [u8; COUNT / CLASSES],
}

impl Step {
    fn slices(&mut self) -> (&[f32], &[f32], &mut [f32], &[u8]) {
        let Step { pred, target, grad, labels } = self;
        (of_any_length(&*pred), of_any_length(&*target), of_any_length(grad), of_any_length(&*labels))
    }
}

unsafe extern "C" {
    /// Chosen at link time.
    safe fn first(step: &mut Step) -> bool;
    safe fn second(step: &mut Step) -> bool;
}

/// The empty call: the size of the image without any loss.
#[unsafe(no_mangle)]
pub extern "C" fn none(_: &mut Step) -> bool {
    true
}

#[unsafe(no_mangle)]
pub extern "C" fn none_either(_: &mut Step) -> bool {
    true
}

fn right(result: Result<f32, Error<f32>>) -> bool {
    // The numbers of a step fit every loss.
    result.is_ok_and(|mean| mean.is_finite())
}

/// On large machines batches have any length, and the compiler must not leave out what this one does not need.
fn of_any_length<S>(slice: S) -> S {
    if cfg!(target_arch = "arm") { slice } else { black_box(slice) }
}

macro_rules! elementwise {
    ($($name:ident: $loss:expr,)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(step: &mut Step) -> bool {
            let (pred, target, grad, _) = step.slices();
            right($loss.batch(pred, target).gradient(grad).mean())
        }
    )*};
}
elementwise! {
    mse: Mse,
    half_mse: HalfMse,
    mae: Mae,
    huber: Huber { delta: black_box(1.0) },
    smooth_l1: SmoothL1 { beta: black_box(1.0) },
    bce: BinaryCrossEntropy { policy: Policy::Clamp },
    bce_with_logits: BceWithLogits { pos_weight: black_box(1.0) },
    categorical_cross_entropy: CategoricalCrossEntropy,
    kl_divergence: KlDivergence { log_target: false, pred_probabilities: false },
    generalized_kl: GeneralizedKl { log_target: false, pred_probabilities: false },
}

macro_rules! of_labels {
    ($($name:ident: $loss:expr,)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(step: &mut Step) -> bool {
            let (pred, _, grad, labels) = step.slices();
            right($loss.rows(pred, CLASSES).labels(labels).gradient(grad).mean())
        }
    )*};
}
of_labels! {
    softmax_cross_entropy: SoftmaxCrossEntropy::<f32>::default(),
    nll: NegativeLogLikelihood::default(),
}

macro_rules! of_rows {
    ($($name:ident: $loss:expr,)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(step: &mut Step) -> bool {
            let (pred, target, grad, _) = step.slices();
            right($loss.rows(pred, CLASSES).targets(target).gradient(grad).mean())
        }
    )*};
}
of_rows! {
    softmax_kl: SoftmaxKl::<f32>::default(),
    jensen_shannon: JensenShannon::<f32>::default(),
}

/// Runs both calls.
#[unsafe(no_mangle)]
extern "C" fn measure() -> bool {
    let mut step = black_box(Step {
        pred: [0.125, 0.25, 0.375, 0.25, 0.5, 0.125, 0.25, 0.125],
        target: [0.25, 0.25, 0.25, 0.25, 0.0, 1.0, 0.0, 0.0],
        grad: [0.0; COUNT],
        labels: [3, 1],
    });
    first(&mut step) & second(&mut step)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
