/* fused-loss: loss functions for training, value and gradient in one pass.
 *
 * Made by cbindgen from bindings/c/src; `FUSED_LOSS_UPDATE=1 cargo test` there writes it anew.
 *
 * A function returns a status, FUSED_LOSS_STATUS_OK for success. It allocates nothing, sets no errno, keeps no pointer and
 * may be called from any thread.
 *
 * Pointers are aligned and point to as many elements as their text says; where that is 0 they may be null. `options`,
 * `grad` and `value` may be null: the defaults, no gradient, no value. Lengths are in elements.
 *
 * No output may overlap an input or another output, else the status is FUSED_LOSS_STATUS_OVERLAP and nothing is written;
 * but `grad` may be the very pointer of the predictions, and the gradient is then written over them.
 *
 * Where the status is not OK, `value` is not written; gradients and losses may hold unspecified numbers.
 */

#ifndef FUSED_LOSS_H
#define FUSED_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 What became of a call.
 */
enum FusedLossStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   It succeeded.
   */
  FUSED_LOSS_STATUS_OK = 0,
  /*
   A pointer is null where there are elements, or not aligned.
   */
  FUSED_LOSS_STATUS_POINTER = 1,
  /*
   A length in bytes is more than half of all memory.
   */
  FUSED_LOSS_STATUS_LENGTH = 2,
  /*
   An output overlaps an input or another output.
   */
  FUSED_LOSS_STATUS_OVERLAP = 3,
  /*
   A choice among options is none, or options do not go together.
   */
  FUSED_LOSS_STATUS_OPTION = 4,
  /*
   The loss has no use for an option that is set.
   */
  FUSED_LOSS_STATUS_UNSUPPORTED = 5,
  /*
   A row has no classes.
   */
  FUSED_LOSS_STATUS_CLASSES = 6,
  /*
   The stride is less than the number of classes.
   */
  FUSED_LOSS_STATUS_STRIDE = 7,
  /*
   A mean over nothing: no elements, a count of 0, or weights whose sum is 0.
   */
  FUSED_LOSS_STATUS_EMPTY = 8,
  /*
   A weighted mean without weights.
   */
  FUSED_LOSS_STATUS_NO_WEIGHTS = 9,
  /*
   A parameter of the loss, or the scale, lies outside its domain. The error has its value.
   */
  FUSED_LOSS_STATUS_PARAMETER = 10,
  /*
   A prediction lies outside the domain of the loss. The error has its index and value.
   */
  FUSED_LOSS_STATUS_PRED = 11,
  /*
   A target lies outside the domain of the loss. The error has its index and value.
   */
  FUSED_LOSS_STATUS_TARGET = 12,
  /*
   A weight is infinite or NaN. The error has its index and value.
   */
  FUSED_LOSS_STATUS_WEIGHT = 13,
  /*
   A label is no class. The error has its index.
   */
  FUSED_LOSS_STATUS_LABEL = 14,
  /*
   The weight of a class is infinite or NaN. The error has its index and value.
   */
  FUSED_LOSS_STATUS_CLASS_WEIGHT = 15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum FusedLossStatus FusedLossStatus;
#else
typedef uint32_t FusedLossStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 Where the first bad value is.
 */
typedef struct FusedLossErrorF32 {
  /*
   Its index: in its own array.
   */
  size_t index;
  /*
   Its value; 0 for labels.
   */
  float value;
} FusedLossErrorF32;

/*
 How losses become one value: a FUSED_LOSS_REDUCTION. The gradient is that of the value.
 */
typedef uint32_t FusedLossReduction;

/*
 Options of a call. All bytes 0 are the defaults.
 */
typedef struct FusedLossOptionsF32 {
  /*
   A weight for each loss, or null. Weight 0 masks: loss and gradient are 0 and the target is not checked.
   */
  const float *weights;
  /*
   Where each loss is written, or null: weighted, neither scaled nor divided.
   */
  float *losses;
  /*
   Where the first bad value is written, or null.
   */
  struct FusedLossErrorF32 *error;
  /*
   What the gradient is multiplied by, where `has_scale` is set, else 1. Finite.
   */
  float scale;
  /*
   Whether `scale` counts.
   */
  bool has_scale;
  /*
   Whether the gradient is added to what `grad` holds. Not where that is the predictions.
   */
  bool add_gradient;
  /*
   A FUSED_LOSS_REDUCTION; 0 is the mean.
   */
  FusedLossReduction reduction;
  /*
   The denominator of FUSED_LOSS_REDUCTION_MEAN_OVER.
   */
  size_t count;
  /*
   Rows only: elements from the start of a row to that of the next, in predictions, gradient and target rows. 0: classes.
   */
  size_t stride;
  /*
   Rows only: a factor for each class, or null.
   */
  const float *class_weights;
  /*
   Rows only: where each row's log-sum-exp is written, or null.
   */
  float *log_sum_exp;
  /*
   Rows only: where it is written whether a row's greatest logit is that of its label or greatest target, or null.
   */
  bool *hits;
} FusedLossOptionsF32;

/*
 Where the first bad value is.
 */
typedef struct FusedLossErrorF64 {
  /*
   Its index: in its own array.
   */
  size_t index;
  /*
   Its value; 0 for labels.
   */
  double value;
} FusedLossErrorF64;

/*
 Options of a call. All bytes 0 are the defaults.
 */
typedef struct FusedLossOptionsF64 {
  /*
   A weight for each loss, or null. Weight 0 masks: loss and gradient are 0 and the target is not checked.
   */
  const double *weights;
  /*
   Where each loss is written, or null: weighted, neither scaled nor divided.
   */
  double *losses;
  /*
   Where the first bad value is written, or null.
   */
  struct FusedLossErrorF64 *error;
  /*
   What the gradient is multiplied by, where `has_scale` is set, else 1. Finite.
   */
  double scale;
  /*
   Whether `scale` counts.
   */
  bool has_scale;
  /*
   Whether the gradient is added to what `grad` holds. Not where that is the predictions.
   */
  bool add_gradient;
  /*
   A FUSED_LOSS_REDUCTION; 0 is the mean.
   */
  FusedLossReduction reduction;
  /*
   The denominator of FUSED_LOSS_REDUCTION_MEAN_OVER.
   */
  size_t count;
  /*
   Rows only: elements from the start of a row to that of the next, in predictions, gradient and target rows. 0: classes.
   */
  size_t stride;
  /*
   Rows only: a factor for each class, or null.
   */
  const double *class_weights;
  /*
   Rows only: where each row's log-sum-exp is written, or null.
   */
  double *log_sum_exp;
  /*
   Rows only: where it is written whether a row's greatest logit is that of its label or greatest target, or null.
   */
  bool *hits;
} FusedLossOptionsF64;

/*
 What binary cross-entropy does at probabilities of 0 and 1: a FUSED_LOSS_POLICY.
 */
typedef uint32_t FusedLossPolicy;

/*
 What rows of predictions are compared with: a FUSED_LOSS_TARGET.
 */
typedef uint32_t FusedLossTarget;

/*
 Parameters of softmax cross-entropy. All bytes 0 are the defaults.
 */
typedef struct FusedLossSoftmaxCrossEntropyF32 {
  /*
   Rows of this label are left out, where `has_ignore_index` is set, else those of -100.
   */
  int64_t ignore_index;
  /*
   Whether `ignore_index` counts.
   */
  bool has_ignore_index;
  /*
   Whether smoothing spreads over the other classes alone.
   */
  bool smoothing_over_others;
  /*
   What of a label is spread over all classes, from 0 to 1.
   */
  float label_smoothing;
  /*
   The factor of the squared log-sum-exp, from 0 on.
   */
  float z_loss;
  /*
   Logits are c tanh(z / c) first; 0: as they are.
   */
  float soft_cap;
  /*
   Logits are divided by it; 0: by 1.
   */
  float temperature;
} FusedLossSoftmaxCrossEntropyF32;

/*
 Parameters of softmax cross-entropy. All bytes 0 are the defaults.
 */
typedef struct FusedLossSoftmaxCrossEntropyF64 {
  /*
   Rows of this label are left out, where `has_ignore_index` is set, else those of -100.
   */
  int64_t ignore_index;
  /*
   Whether `ignore_index` counts.
   */
  bool has_ignore_index;
  /*
   Whether smoothing spreads over the other classes alone.
   */
  bool smoothing_over_others;
  /*
   What of a label is spread over all classes, from 0 to 1.
   */
  double label_smoothing;
  /*
   The factor of the squared log-sum-exp, from 0 on.
   */
  double z_loss;
  /*
   Logits are c tanh(z / c) first; 0: as they are.
   */
  double soft_cap;
  /*
   Logits are divided by it; 0: by 1.
   */
  double temperature;
} FusedLossSoftmaxCrossEntropyF64;

/*
 What target rows of a divergence hold: a FUSED_LOSS_KIND.
 */
typedef uint32_t FusedLossKind;

/*
 The sum over the number of losses; for labels, over the sum of their class weights. As PyTorch's mean.
 */
#define FUSED_LOSS_REDUCTION_MEAN 0

/*
 The sum.
 */
#define FUSED_LOSS_REDUCTION_SUM 1

/*
 The sum over `count`.
 */
#define FUSED_LOSS_REDUCTION_MEAN_OVER 2

/*
 The sum of the weighted losses over the sum of the weights.
 */
#define FUSED_LOSS_REDUCTION_WEIGHTED_MEAN 3

/*
 The formula as it stands: infinite where the target asks for the impossible.
 */
#define FUSED_LOSS_POLICY_EXACT 0

/*
 Logarithms below -100 are -100, as PyTorch has it, and their slope is 0.
 */
#define FUSED_LOSS_POLICY_CLAMP 1

/*
 Probabilities are clipped to eps..1 - eps, as Keras has it.
 */
#define FUSED_LOSS_POLICY_EPS 2

/*
 A number for each prediction, of the predictions' type and stride.
 */
#define FUSED_LOSS_TARGET_ROWS 0

/*
 A label for each row, counted from 0, as uint8_t.
 */
#define FUSED_LOSS_TARGET_U8 1

/*
 As uint16_t.
 */
#define FUSED_LOSS_TARGET_U16 2

/*
 As uint32_t.
 */
#define FUSED_LOSS_TARGET_U32 3

/*
 As uint64_t.
 */
#define FUSED_LOSS_TARGET_U64 4

/*
 As int32_t.
 */
#define FUSED_LOSS_TARGET_I32 5

/*
 As int64_t.
 */
#define FUSED_LOSS_TARGET_I64 6

/*
 Probabilities.
 */
#define FUSED_LOSS_KIND_PROBABILITIES 0

/*
 Logarithms of probabilities.
 */
#define FUSED_LOSS_KIND_LOG_PROBABILITIES 1

/*
 Logits, of which the softmax is meant.
 */
#define FUSED_LOSS_KIND_LOGITS 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Mean squared error: (p - y)^2. Any numbers; the slope is 2 (p - y).
 */
FusedLossStatus fused_loss_mse_f32(const float *pred,
                                   const float *target,
                                   size_t len,
                                   const struct FusedLossOptionsF32 *options,
                                   float *grad,
                                   float *value);

/*
 Mean squared error: (p - y)^2. Any numbers; the slope is 2 (p - y).
 */
FusedLossStatus fused_loss_mse_f64(const double *pred,
                                   const double *target,
                                   size_t len,
                                   const struct FusedLossOptionsF64 *options,
                                   double *grad,
                                   double *value);

/*
 Half the squared error: (p - y)^2 / 2. Any numbers.
 */
FusedLossStatus fused_loss_half_mse_f32(const float *pred,
                                        const float *target,
                                        size_t len,
                                        const struct FusedLossOptionsF32 *options,
                                        float *grad,
                                        float *value);

/*
 Half the squared error: (p - y)^2 / 2. Any numbers.
 */
FusedLossStatus fused_loss_half_mse_f64(const double *pred,
                                        const double *target,
                                        size_t len,
                                        const struct FusedLossOptionsF64 *options,
                                        double *grad,
                                        double *value);

/*
 Mean absolute error: |p - y|, of slope 0 where p = y. Any numbers.
 */
FusedLossStatus fused_loss_mae_f32(const float *pred,
                                   const float *target,
                                   size_t len,
                                   const struct FusedLossOptionsF32 *options,
                                   float *grad,
                                   float *value);

/*
 Mean absolute error: |p - y|, of slope 0 where p = y. Any numbers.
 */
FusedLossStatus fused_loss_mae_f64(const double *pred,
                                   const double *target,
                                   size_t len,
                                   const struct FusedLossOptionsF64 *options,
                                   double *grad,
                                   double *value);

/*
 Huber's loss: (p - y)^2 / 2 where |p - y| <= delta, else delta (|p - y| - delta / 2). Any numbers; delta: positive
 and finite, else FUSED_LOSS_STATUS_PARAMETER.
 */
FusedLossStatus fused_loss_huber_f32(const float *pred,
                                     const float *target,
                                     size_t len,
                                     float delta,
                                     const struct FusedLossOptionsF32 *options,
                                     float *grad,
                                     float *value);

/*
 Huber's loss: (p - y)^2 / 2 where |p - y| <= delta, else delta (|p - y| - delta / 2). Any numbers; delta: positive
 and finite, else FUSED_LOSS_STATUS_PARAMETER.
 */
FusedLossStatus fused_loss_huber_f64(const double *pred,
                                     const double *target,
                                     size_t len,
                                     double delta,
                                     const struct FusedLossOptionsF64 *options,
                                     double *grad,
                                     double *value);

/*
 Smooth L1: (p - y)^2 / (2 beta) where |p - y| < beta, else |p - y| - beta / 2. Any numbers; beta: finite, from 0 on,
 else FUSED_LOSS_STATUS_PARAMETER.
 */
FusedLossStatus fused_loss_smooth_l1_f32(const float *pred,
                                         const float *target,
                                         size_t len,
                                         float beta,
                                         const struct FusedLossOptionsF32 *options,
                                         float *grad,
                                         float *value);

/*
 Smooth L1: (p - y)^2 / (2 beta) where |p - y| < beta, else |p - y| - beta / 2. Any numbers; beta: finite, from 0 on,
 else FUSED_LOSS_STATUS_PARAMETER.
 */
FusedLossStatus fused_loss_smooth_l1_f64(const double *pred,
                                         const double *target,
                                         size_t len,
                                         double beta,
                                         const struct FusedLossOptionsF64 *options,
                                         double *grad,
                                         double *value);

/*
 Binary cross-entropy of probabilities: -(y ln p + (1 - y) ln(1 - p)). p and y: 0 to 1, else FUSED_LOSS_STATUS_PRED or
 FUSED_LOSS_STATUS_TARGET. eps counts for FUSED_LOSS_POLICY_EPS alone.
 */
FusedLossStatus fused_loss_bce_f32(const float *pred,
                                   const float *target,
                                   size_t len,
                                   FusedLossPolicy policy,
                                   float eps,
                                   const struct FusedLossOptionsF32 *options,
                                   float *grad,
                                   float *value);

/*
 Binary cross-entropy of probabilities: -(y ln p + (1 - y) ln(1 - p)). p and y: 0 to 1, else FUSED_LOSS_STATUS_PRED or
 FUSED_LOSS_STATUS_TARGET. eps counts for FUSED_LOSS_POLICY_EPS alone.
 */
FusedLossStatus fused_loss_bce_f64(const double *pred,
                                   const double *target,
                                   size_t len,
                                   FusedLossPolicy policy,
                                   double eps,
                                   const struct FusedLossOptionsF64 *options,
                                   double *grad,
                                   double *value);

/*
 Binary cross-entropy of logits x: c y ln(1 + e^-x) + (1 - y) ln(1 + e^x), c = pos_weight. x: any; y: 0 to 1, else
 FUSED_LOSS_STATUS_TARGET; pos_weight: finite, from 0 on (1 weighs both alike).
 */
FusedLossStatus fused_loss_bce_with_logits_f32(const float *pred,
                                               const float *target,
                                               size_t len,
                                               float pos_weight,
                                               const struct FusedLossOptionsF32 *options,
                                               float *grad,
                                               float *value);

/*
 Binary cross-entropy of logits x: c y ln(1 + e^-x) + (1 - y) ln(1 + e^x), c = pos_weight. x: any; y: 0 to 1, else
 FUSED_LOSS_STATUS_TARGET; pos_weight: finite, from 0 on (1 weighs both alike).
 */
FusedLossStatus fused_loss_bce_with_logits_f64(const double *pred,
                                               const double *target,
                                               size_t len,
                                               double pos_weight,
                                               const struct FusedLossOptionsF64 *options,
                                               double *grad,
                                               double *value);

/*
 Categorical cross-entropy of probabilities, a term for each class: -y ln p. p and y: 0 to 1, else
 FUSED_LOSS_STATUS_PRED or FUSED_LOSS_STATUS_TARGET. The mean is that of terms; for rows and labels there is
 fused_loss_categorical_cross_entropy_rows_f32.
 */
FusedLossStatus fused_loss_categorical_cross_entropy_f32(const float *pred,
                                                         const float *target,
                                                         size_t len,
                                                         const struct FusedLossOptionsF32 *options,
                                                         float *grad,
                                                         float *value);

/*
 Categorical cross-entropy of probabilities, a term for each class: -y ln p. p and y: 0 to 1, else
 FUSED_LOSS_STATUS_PRED or FUSED_LOSS_STATUS_TARGET. The mean is that of terms; for rows and labels there is
 fused_loss_categorical_cross_entropy_rows_f32.
 */
FusedLossStatus fused_loss_categorical_cross_entropy_f64(const double *pred,
                                                         const double *target,
                                                         size_t len,
                                                         const struct FusedLossOptionsF64 *options,
                                                         double *grad,
                                                         double *value);

/*
 Kullback-Leibler divergence: y (ln y - ln p), of pred = ln p, or p from 0 to 1 with pred_probabilities, and target = y
 from 0 on, or ln y with log_target.
 */
FusedLossStatus fused_loss_kl_divergence_f32(const float *pred,
                                             const float *target,
                                             size_t len,
                                             bool log_target,
                                             bool pred_probabilities,
                                             const struct FusedLossOptionsF32 *options,
                                             float *grad,
                                             float *value);

/*
 Kullback-Leibler divergence: y (ln y - ln p), of pred = ln p, or p from 0 to 1 with pred_probabilities, and target = y
 from 0 on, or ln y with log_target.
 */
FusedLossStatus fused_loss_kl_divergence_f64(const double *pred,
                                             const double *target,
                                             size_t len,
                                             bool log_target,
                                             bool pred_probabilities,
                                             const struct FusedLossOptionsF64 *options,
                                             double *grad,
                                             double *value);

/*
 Generalized Kullback-Leibler divergence: y (ln y - ln p) + p - y; inputs as in fused_loss_kl_divergence_f32, but p may
 be above 1.
 */
FusedLossStatus fused_loss_generalized_kl_f32(const float *pred,
                                              const float *target,
                                              size_t len,
                                              bool log_target,
                                              bool pred_probabilities,
                                              const struct FusedLossOptionsF32 *options,
                                              float *grad,
                                              float *value);

/*
 Generalized Kullback-Leibler divergence: y (ln y - ln p) + p - y; inputs as in fused_loss_kl_divergence_f32, but p may
 be above 1.
 */
FusedLossStatus fused_loss_generalized_kl_f64(const double *pred,
                                              const double *target,
                                              size_t len,
                                              bool log_target,
                                              bool pred_probabilities,
                                              const struct FusedLossOptionsF64 *options,
                                              double *grad,
                                              double *value);

/*
 Cross-entropy of the softmax of logits z and a label k, lse(z) - z_k, or target rows y from 0 on, sum y (lse(z) - z).
 parameters: null for the defaults. A label that is no class is FUSED_LOSS_STATUS_LABEL.
 */
FusedLossStatus fused_loss_softmax_cross_entropy_f32(const float *pred,
                                                     size_t rows,
                                                     size_t classes,
                                                     const void *target,
                                                     FusedLossTarget target_type,
                                                     const struct FusedLossSoftmaxCrossEntropyF32 *parameters,
                                                     const struct FusedLossOptionsF32 *options,
                                                     float *grad,
                                                     float *value);

/*
 Cross-entropy of the softmax of logits z and a label k, lse(z) - z_k, or target rows y from 0 on, sum y (lse(z) - z).
 parameters: null for the defaults. A label that is no class is FUSED_LOSS_STATUS_LABEL.
 */
FusedLossStatus fused_loss_softmax_cross_entropy_f64(const double *pred,
                                                     size_t rows,
                                                     size_t classes,
                                                     const void *target,
                                                     FusedLossTarget target_type,
                                                     const struct FusedLossSoftmaxCrossEntropyF64 *parameters,
                                                     const struct FusedLossOptionsF64 *options,
                                                     double *grad,
                                                     double *value);

/*
 Negative log-likelihood of log-probabilities x and a label k, -x_k, or target rows y from 0 on, -sum y x. Rows of the
 label ignore_index (PyTorch's is -100) are left out.
 */
FusedLossStatus fused_loss_nll_f32(const float *pred,
                                   size_t rows,
                                   size_t classes,
                                   const void *target,
                                   FusedLossTarget target_type,
                                   int64_t ignore_index,
                                   const struct FusedLossOptionsF32 *options,
                                   float *grad,
                                   float *value);

/*
 Negative log-likelihood of log-probabilities x and a label k, -x_k, or target rows y from 0 on, -sum y x. Rows of the
 label ignore_index (PyTorch's is -100) are left out.
 */
FusedLossStatus fused_loss_nll_f64(const double *pred,
                                   size_t rows,
                                   size_t classes,
                                   const void *target,
                                   FusedLossTarget target_type,
                                   int64_t ignore_index,
                                   const struct FusedLossOptionsF64 *options,
                                   double *grad,
                                   double *value);

/*
 Kullback-Leibler divergence of the softmax of logits from target rows: sum y (ln y - ln q), q = softmax(z / T).
 targets: a FUSED_LOSS_KIND; temperature: from 2^-60 to 2^60.
 */
FusedLossStatus fused_loss_softmax_kl_f32(const float *pred,
                                          size_t rows,
                                          size_t classes,
                                          const void *target,
                                          FusedLossTarget target_type,
                                          FusedLossKind targets,
                                          float temperature,
                                          const struct FusedLossOptionsF32 *options,
                                          float *grad,
                                          float *value);

/*
 Kullback-Leibler divergence of the softmax of logits from target rows: sum y (ln y - ln q), q = softmax(z / T).
 targets: a FUSED_LOSS_KIND; temperature: from 2^-60 to 2^60.
 */
FusedLossStatus fused_loss_softmax_kl_f64(const double *pred,
                                          size_t rows,
                                          size_t classes,
                                          const void *target,
                                          FusedLossTarget target_type,
                                          FusedLossKind targets,
                                          double temperature,
                                          const struct FusedLossOptionsF64 *options,
                                          double *grad,
                                          double *value);

/*
 Jensen-Shannon divergence: beta KL(y, m) + (1 - beta) KL(q, m), m = beta y + (1 - beta) q, q = softmax(z / T).
 targets: a FUSED_LOSS_KIND; beta: above 0 and below 1, 0.5 is the symmetric one; temperature: from 2^-60 to 2^60.
 */
FusedLossStatus fused_loss_jensen_shannon_f32(const float *pred,
                                              size_t rows,
                                              size_t classes,
                                              const void *target,
                                              FusedLossTarget target_type,
                                              FusedLossKind targets,
                                              float beta,
                                              float temperature,
                                              const struct FusedLossOptionsF32 *options,
                                              float *grad,
                                              float *value);

/*
 Jensen-Shannon divergence: beta KL(y, m) + (1 - beta) KL(q, m), m = beta y + (1 - beta) q, q = softmax(z / T).
 targets: a FUSED_LOSS_KIND; beta: above 0 and below 1, 0.5 is the symmetric one; temperature: from 2^-60 to 2^60.
 */
FusedLossStatus fused_loss_jensen_shannon_f64(const double *pred,
                                              size_t rows,
                                              size_t classes,
                                              const void *target,
                                              FusedLossTarget target_type,
                                              FusedLossKind targets,
                                              double beta,
                                              double temperature,
                                              const struct FusedLossOptionsF64 *options,
                                              double *grad,
                                              double *value);

/*
 Categorical cross-entropy of rows of probabilities and a label k, -ln p_k, or target rows, -sum y ln p. p and y: 0 to
 1.
 */
FusedLossStatus fused_loss_categorical_cross_entropy_rows_f32(const float *pred,
                                                              size_t rows,
                                                              size_t classes,
                                                              const void *target,
                                                              FusedLossTarget target_type,
                                                              const struct FusedLossOptionsF32 *options,
                                                              float *grad,
                                                              float *value);

/*
 Categorical cross-entropy of rows of probabilities and a label k, -ln p_k, or target rows, -sum y ln p. p and y: 0 to
 1.
 */
FusedLossStatus fused_loss_categorical_cross_entropy_rows_f64(const double *pred,
                                                              size_t rows,
                                                              size_t classes,
                                                              const void *target,
                                                              FusedLossTarget target_type,
                                                              const struct FusedLossOptionsF64 *options,
                                                              double *grad,
                                                              double *value);

/*
 The softmax of each row of logits over the temperature (from 2^-60 to 2^60; 1 as a rule). output: rows * classes
 elements, and may be the very pointer of the logits.
 */
FusedLossStatus fused_loss_softmax_f32(const float *logits,
                                       size_t rows,
                                       size_t classes,
                                       float temperature,
                                       float *output);

/*
 The softmax of each row of logits over the temperature (from 2^-60 to 2^60; 1 as a rule). output: rows * classes
 elements, and may be the very pointer of the logits.
 */
FusedLossStatus fused_loss_softmax_f64(const double *logits,
                                       size_t rows,
                                       size_t classes,
                                       double temperature,
                                       double *output);

/*
 The logarithm of the softmax of each row: z / T - lse(z / T). output: as fused_loss_softmax_f32.
 */
FusedLossStatus fused_loss_log_softmax_f32(const float *logits,
                                           size_t rows,
                                           size_t classes,
                                           float temperature,
                                           float *output);

/*
 The logarithm of the softmax of each row: z / T - lse(z / T). output: as fused_loss_softmax_f32.
 */
FusedLossStatus fused_loss_log_softmax_f64(const double *logits,
                                           size_t rows,
                                           size_t classes,
                                           double temperature,
                                           double *output);

/*
 The log-sum-exp of each row: ln sum e^(z / T). output: rows elements.
 */
FusedLossStatus fused_loss_log_sum_exp_f32(const float *logits,
                                           size_t rows,
                                           size_t classes,
                                           float temperature,
                                           float *output);

/*
 The log-sum-exp of each row: ln sum e^(z / T). output: rows elements.
 */
FusedLossStatus fused_loss_log_sum_exp_f64(const double *logits,
                                           size_t rows,
                                           size_t classes,
                                           double temperature,
                                           double *output);

/*
 A status in English, as a static string; never null.
 */
const char *fused_loss_status_text(uint32_t status);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FUSED_LOSS_H */
