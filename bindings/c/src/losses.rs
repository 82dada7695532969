//! The functions. A loss is one line of a list: its two names, its parameters, and what they make.

use core::ffi::c_void;

use kernels::{
    BceWithLogits, BinaryCrossEntropy, CategoricalCrossEntropy, Float, GeneralizedKl, HalfMse, Huber,
    JensenShannon, KlDivergence, Mae, Mse, NegativeLogLikelihood, Policy, RowLosses, Rowwise, SmoothL1,
    SoftmaxCrossEntropy, SoftmaxKl, TargetKind,
};

use crate::call::{self, Call, Form, Pred, Shape};
use crate::types::*;
use FusedLossStatus as Status;

/// The type that C has for a parameter.
macro_rules! ctype {
    ($f:ident number) => { $f };
    ($f:ident flag) => { bool };
    ($f:ident label) => { i64 };
    ($f:ident policy) => { FusedLossPolicy };
    ($f:ident kind) => { FusedLossKind };
    ($f:ident softmax) => { *const FusedLossSoftmaxCrossEntropy<$f> };
}

/// `doc; f32's name, f64's name(parameters) = Result of the loss;`
macro_rules! elementwise {
    ($($(#[$doc:meta])+ $single:ident, $double:ident($($parameter:ident: $kind:ident),*) = $loss:expr;)*) => {$(
        elementwise!(@ f32, $single, [$(#[$doc])+], ($($parameter: $kind),*), $loss);
        elementwise!(@ f64, $double, [$(#[$doc])+], ($($parameter: $kind),*), $loss);
    )*};
    (@ $f:ident, $name:ident, [$(#[$doc:meta])+], ($($parameter:ident: $kind:ident),*), $loss:expr) => {
        $(#[$doc])+
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            pred: *const $f,
            target: *const $f,
            len: usize,
            $($parameter: ctype!($f $kind),)*
            options: *const FusedLossOptions<$f>,
            grad: *mut $f,
            value: *mut $f,
        ) -> FusedLossStatus {
            // SAFETY: the promise is passed on.
            unsafe { call::elementwise($loss, Call { pred, options, grad, value }, target, len) }
        }
    };
}

elementwise! {
    /// Mean squared error: (p - y)^2. Any numbers; the slope is 2 (p - y).
    fused_loss_mse_f32, fused_loss_mse_f64() = Ok(Mse);
    /// Half the squared error: (p - y)^2 / 2. Any numbers.
    fused_loss_half_mse_f32, fused_loss_half_mse_f64() = Ok(HalfMse);
    /// Mean absolute error: |p - y|, of slope 0 where p = y. Any numbers.
    fused_loss_mae_f32, fused_loss_mae_f64() = Ok(Mae);
    /// Huber's loss: (p - y)^2 / 2 where |p - y| <= delta, else delta (|p - y| - delta / 2). Any numbers; delta: positive
    /// and finite, else FUSED_LOSS_STATUS_PARAMETER.
    fused_loss_huber_f32, fused_loss_huber_f64(delta: number) = Ok(Huber { delta });
    /// Smooth L1: (p - y)^2 / (2 beta) where |p - y| < beta, else |p - y| - beta / 2. Any numbers; beta: finite, from 0 on,
    /// else FUSED_LOSS_STATUS_PARAMETER.
    fused_loss_smooth_l1_f32, fused_loss_smooth_l1_f64(beta: number) = Ok(SmoothL1 { beta });
    /// Binary cross-entropy of probabilities: -(y ln p + (1 - y) ln(1 - p)). p and y: 0 to 1, else FUSED_LOSS_STATUS_PRED or
    /// FUSED_LOSS_STATUS_TARGET. eps counts for FUSED_LOSS_POLICY_EPS alone.
    fused_loss_bce_f32, fused_loss_bce_f64(policy: policy, eps: number) = bce(policy, eps);
    /// Binary cross-entropy of logits x: c y ln(1 + e^-x) + (1 - y) ln(1 + e^x), c = pos_weight. x: any; y: 0 to 1, else
    /// FUSED_LOSS_STATUS_TARGET; pos_weight: finite, from 0 on (1 weighs both alike).
    fused_loss_bce_with_logits_f32, fused_loss_bce_with_logits_f64(pos_weight: number) = Ok(BceWithLogits { pos_weight });
    /// Categorical cross-entropy of probabilities, a term for each class: -y ln p. p and y: 0 to 1, else
    /// FUSED_LOSS_STATUS_PRED or FUSED_LOSS_STATUS_TARGET. The mean is that of terms; for rows and labels there is
    /// fused_loss_categorical_cross_entropy_rows_f32.
    fused_loss_categorical_cross_entropy_f32, fused_loss_categorical_cross_entropy_f64() = Ok(CategoricalCrossEntropy);
    /// Kullback-Leibler divergence: y (ln y - ln p), of pred = ln p, or p from 0 to 1 with pred_probabilities, and target = y
    /// from 0 on, or ln y with log_target.
    fused_loss_kl_divergence_f32, fused_loss_kl_divergence_f64(log_target: flag, pred_probabilities: flag) =
        Ok(KlDivergence { log_target, pred_probabilities });
    /// Generalized Kullback-Leibler divergence: y (ln y - ln p) + p - y; inputs as in fused_loss_kl_divergence_f32, but p may
    /// be above 1.
    fused_loss_generalized_kl_f32, fused_loss_generalized_kl_f64(log_target: flag, pred_probabilities: flag) =
        Ok(GeneralizedKl { log_target, pred_probabilities });
}

/// `doc; f32's name, f64's name(parameters) = Result of the loss, options that it has beyond those of all losses;`
macro_rules! rows {
    ($($(#[$doc:meta])+ $single:ident, $double:ident($($parameter:ident: $kind:ident),*) = $loss:expr, [$($extra:ident),*];)*) => {$(
        rows!(@ f32, $single, [$(#[$doc])+], ($($parameter: $kind),*), $loss, [$($extra),*]);
        rows!(@ f64, $double, [$(#[$doc])+], ($($parameter: $kind),*), $loss, [$($extra),*]);
    )*};
    (@ $f:ident, $name:ident, [$(#[$doc:meta])+], ($($parameter:ident: $kind:ident),*), $loss:expr, [$($extra:ident),*]) => {
        $(#[$doc])+
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            pred: *const $f,
            rows: usize,
            classes: usize,
            target: *const c_void,
            target_type: FusedLossTarget,
            $($parameter: ctype!($f $kind),)*
            options: *const FusedLossOptions<$f>,
            grad: *mut $f,
            value: *mut $f,
        ) -> FusedLossStatus {
            let shape = Shape { rows, classes, target, kind: target_type };
            // SAFETY: the promise is passed on.
            unsafe {
                call::rows(
                    |pred, classes| {
                        let loss = $loss;
                        loss.map(|loss| match pred {
                            Pred::Apart(pred) => loss.rows(pred, classes),
                            Pred::InPlace(pred) => loss.rows_in_place(pred, classes),
                        })
                    },
                    |batch, _extras| {
                        $(let batch = match _extras.$extra.take() {
                            Some(extra) => batch.$extra(extra),
                            None => batch,
                        };)*
                        batch
                    },
                    Call { pred, options, grad, value },
                    shape,
                )
            }
        }
    };
}

rows! {
    /// Cross-entropy of the softmax of logits z and a label k, lse(z) - z_k, or target rows y from 0 on, sum y (lse(z) - z).
    /// parameters: null for the defaults. A label that is no class is FUSED_LOSS_STATUS_LABEL.
    fused_loss_softmax_cross_entropy_f32, fused_loss_softmax_cross_entropy_f64(parameters: softmax) =
        softmax_cross_entropy(parameters), [class_weights, log_sum_exp, hits];
    /// Negative log-likelihood of log-probabilities x and a label k, -x_k, or target rows y from 0 on, -sum y x. Rows of the
    /// label ignore_index (PyTorch's is -100) are left out.
    fused_loss_nll_f32, fused_loss_nll_f64(ignore_index: label) =
        Ok::<_, Status>(NegativeLogLikelihood { ignore_index: Some(ignore_index) }), [class_weights];
    /// Kullback-Leibler divergence of the softmax of logits from target rows: sum y (ln y - ln q), q = softmax(z / T).
    /// targets: a FUSED_LOSS_KIND; temperature: from 2^-60 to 2^60.
    fused_loss_softmax_kl_f32, fused_loss_softmax_kl_f64(targets: kind, temperature: number) =
        kind(targets).map(|targets| SoftmaxKl { targets, temperature }), [log_sum_exp, hits];
    /// Jensen-Shannon divergence: beta KL(y, m) + (1 - beta) KL(q, m), m = beta y + (1 - beta) q, q = softmax(z / T).
    /// targets: a FUSED_LOSS_KIND; beta: above 0 and below 1, 0.5 is the symmetric one; temperature: from 2^-60 to 2^60.
    fused_loss_jensen_shannon_f32, fused_loss_jensen_shannon_f64(targets: kind, beta: number, temperature: number) =
        kind(targets).map(|targets| JensenShannon { targets, beta, temperature }), [log_sum_exp, hits];
    /// Categorical cross-entropy of rows of probabilities and a label k, -ln p_k, or target rows, -sum y ln p. p and y: 0 to
    /// 1.
    fused_loss_categorical_cross_entropy_rows_f32, fused_loss_categorical_cross_entropy_rows_f64() =
        Ok::<_, Status>(CategoricalCrossEntropy), [];
}

/// `doc; f32's name, f64's name = what is written;`
macro_rules! softmax {
    ($($(#[$doc:meta])+ $single:ident, $double:ident = $form:ident;)*) => {$(
        softmax!(@ f32, $single, [$(#[$doc])+], $form);
        softmax!(@ f64, $double, [$(#[$doc])+], $form);
    )*};
    (@ $f:ident, $name:ident, [$(#[$doc:meta])+], $form:ident) => {
        $(#[$doc])+
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            logits: *const $f,
            rows: usize,
            classes: usize,
            temperature: $f,
            output: *mut $f,
        ) -> FusedLossStatus {
            // SAFETY: the promise is passed on.
            unsafe { call::softmax(Form::$form, logits, rows, classes, temperature, output) }
        }
    };
}

softmax! {
    /// The softmax of each row of logits over the temperature (from 2^-60 to 2^60; 1 as a rule). output: rows * classes
    /// elements, and may be the very pointer of the logits.
    fused_loss_softmax_f32, fused_loss_softmax_f64 = Softmax;
    /// The logarithm of the softmax of each row: z / T - lse(z / T). output: as fused_loss_softmax_f32.
    fused_loss_log_softmax_f32, fused_loss_log_softmax_f64 = LogSoftmax;
    /// The log-sum-exp of each row: ln sum e^(z / T). output: rows elements.
    fused_loss_log_sum_exp_f32, fused_loss_log_sum_exp_f64 = LogSumExp;
}

fn bce<F: Float>(policy: FusedLossPolicy, eps: F) -> Result<BinaryCrossEntropy<F>, Status> {
    let policy = match policy {
        FUSED_LOSS_POLICY_EXACT => Policy::Exact,
        FUSED_LOSS_POLICY_CLAMP => Policy::Clamp,
        FUSED_LOSS_POLICY_EPS => Policy::Eps(eps),
        _ => return Err(Status::Option),
    };
    Ok(BinaryCrossEntropy { policy })
}

fn kind(targets: FusedLossKind) -> Result<TargetKind, Status> {
    Ok(match targets {
        FUSED_LOSS_KIND_PROBABILITIES => TargetKind::Probabilities,
        FUSED_LOSS_KIND_LOG_PROBABILITIES => TargetKind::LogProbabilities,
        FUSED_LOSS_KIND_LOGITS => TargetKind::Logits,
        _ => return Err(Status::Option),
    })
}

fn softmax_cross_entropy<F: Float>(
    parameters: *const FusedLossSoftmaxCrossEntropy<F>,
) -> Result<SoftmaxCrossEntropy<F>, Status> {
    match parameters {
        parameters if parameters.is_null() => Ok(SoftmaxCrossEntropy::default()),
        parameters if !parameters.is_aligned() => Err(Status::Pointer),
        // SAFETY: aligned and not null; the caller has initialised it.
        parameters => Ok(unsafe { parameters.read() }.loss()),
    }
}
