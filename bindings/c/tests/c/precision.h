/* The tests of one precision. REAL is its type, NAME(x) a function, TYPE(x) a struct, EPSILON the unit in the last place. */

#define NEAR(found, wanted) CHECK(near_to((double)(found), (wanted), EPSILON))
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void TEST(elementwise)(void) {
    /* Residuals 2, -1, 0, 0.5. */
    const REAL pred[] = {3, 1, 5, (REAL)0.5}, target[] = {1, 2, 5, 0};
    REAL grad[4], value;

    OK(NAME(mse)(pred, target, 4, NULL, grad, &value));
    CHECK(value == (REAL)1.3125 && grad[0] == 1 && grad[1] == (REAL)-0.5 && grad[2] == 0 && grad[3] == (REAL)0.25);
    OK(NAME(half_mse)(pred, target, 4, NULL, grad, &value));
    CHECK(value == (REAL)0.65625 && grad[0] == (REAL)0.5 && grad[3] == (REAL)0.125);
    OK(NAME(mae)(pred, target, 4, NULL, grad, &value));
    CHECK(value == (REAL)0.875 && grad[0] == (REAL)0.25 && grad[1] == (REAL)-0.25 && grad[2] == 0);
    /* 1 (2 - 1/2), 1/2, 0, 1/8 */
    OK(NAME(huber)(pred, target, 4, 1, NULL, grad, &value));
    CHECK(value == (REAL)0.53125 && grad[0] == (REAL)0.25 && grad[1] == (REAL)-0.25 && grad[3] == (REAL)0.125);
    /* 2 - 1/4, 1 - 1/4, 0, 1/2 - 1/4 */
    OK(NAME(smooth_l1)(pred, target, 4, (REAL)0.5, NULL, grad, &value));
    CHECK(value == (REAL)0.6875 && grad[0] == (REAL)0.25 && grad[1] == (REAL)-0.25 && grad[3] == (REAL)0.25);
}

static void TEST(probabilities)(void) {
    const REAL half[] = {(REAL)0.5, (REAL)0.25}, ends[] = {1, 0}, zero[] = {0, 1};
    REAL grad[2], value;

    /* -ln 0.5, -ln 0.75 */
    OK(NAME(bce)(half, ends, 2, FUSED_LOSS_POLICY_EXACT, 0, NULL, grad, &value));
    NEAR(value, (log(2) + log(4) - log(3)) / 2);
    NEAR(grad[0], -1.0);
    NEAR(grad[1], 1 / 0.75 / 2);
    OK(NAME(bce)(zero, ends, 2, FUSED_LOSS_POLICY_CLAMP, 0, NULL, grad, &value));
    CHECK(value == 100 && grad[0] == 0 && grad[1] == 0);
    OK(NAME(bce)(zero, ends, 2, FUSED_LOSS_POLICY_EPS, (REAL)0.25, NULL, grad, &value));
    NEAR(value, log(4));
    CHECK(NAME(bce)(zero, ends, 2, 3, 0, NULL, grad, &value) == FUSED_LOSS_STATUS_OPTION);

    {
        const REAL logits[] = {-50, 0}, labels[] = {0, 1};
        OK(NAME(bce_with_logits)(logits, labels, 2, 3, NULL, grad, &value));
        NEAR(value, 3 * log(2) / 2);
        NEAR(grad[0], exp(-50.0) / 2);
        NEAR(grad[1], -0.75);
    }

    OK(NAME(categorical_cross_entropy)(half, ends, 2, NULL, grad, &value));
    NEAR(value, log(2) / 2);
    CHECK(grad[0] == -1 && grad[1] == 0);

    {
        const REAL log_p[] = {(REAL)-0.5, -1};
        OK(NAME(kl_divergence)(log_p, ends, 2, false, false, NULL, grad, &value));
        CHECK(value == (REAL)0.25 && grad[0] == (REAL)-0.5 && grad[1] == 0);
        OK(NAME(kl_divergence)(half, half, 2, false, true, NULL, grad, &value));
        CHECK(value == 0);
        OK(NAME(generalized_kl)(half, zero, 2, false, true, NULL, grad, &value));
        /* 0.5, and 1 (0 - ln 0.25) + 0.25 - 1; slopes 1 and 1 - 4, halved */
        NEAR(value, (0.5 + log(4) - 0.75) / 2);
        CHECK(grad[0] == (REAL)0.5 && grad[1] == (REAL)-1.5);
    }
}

static void TEST(options)(void) {
    const REAL pred[] = {3, 1}, target[] = {1, 2}, weights[] = {(REAL)0.5, (REAL)1.5}, none[] = {0, 0};
    REAL grad[] = {10, 10}, losses[2], value, in_place[] = {3, 1};
    struct TYPE(FusedLossOptions) options;

    memset(&options, 0, sizeof options);
    OK(NAME(mse)(pred, target, 2, &options, grad, &value));
    CHECK(value == (REAL)2.5 && grad[0] == 2 && grad[1] == -1);

    options.reduction = FUSED_LOSS_REDUCTION_SUM;
    options.add_gradient = true;
    options.losses = losses;
    OK(NAME(mse)(pred, target, 2, &options, grad, &value));
    CHECK(value == 5 && grad[0] == 6 && grad[1] == -3 && losses[0] == 4 && losses[1] == 1);
    CHECK(NAME(mse)(in_place, target, 2, &options, in_place, &value) == FUSED_LOSS_STATUS_OPTION);

    options.add_gradient = false;
    options.has_scale = true; /* of 0 */
    OK(NAME(mse)(pred, target, 2, &options, grad, &value));
    CHECK(value == 5 && grad[0] == 0);
    options.scale = 3;
    options.weights = weights;
    OK(NAME(mse)(pred, target, 2, &options, grad, &value));
    CHECK(value == (REAL)3.5 && grad[0] == 6 && grad[1] == -9 && losses[0] == 2 && losses[1] == (REAL)1.5);

    options.reduction = FUSED_LOSS_REDUCTION_WEIGHTED_MEAN;
    options.has_scale = false;
    OK(NAME(mse)(pred, target, 2, &options, grad, &value));
    CHECK(value == (REAL)1.75 && grad[0] == 1 && grad[1] == (REAL)-1.5);
    options.weights = none;
    CHECK(NAME(mse)(pred, target, 2, &options, grad, &value) == FUSED_LOSS_STATUS_EMPTY);
    options.weights = NULL;
    CHECK(NAME(mse)(pred, target, 2, &options, grad, &value) == FUSED_LOSS_STATUS_NO_WEIGHTS);

    options.reduction = FUSED_LOSS_REDUCTION_MEAN_OVER;
    CHECK(NAME(mse)(pred, target, 2, &options, grad, &value) == FUSED_LOSS_STATUS_EMPTY);
    options.count = 10;
    OK(NAME(mse)(pred, target, 2, &options, grad, &value));
    CHECK(value == (REAL)0.5);
    options.reduction = 4;
    CHECK(NAME(mse)(pred, target, 2, &options, grad, &value) == FUSED_LOSS_STATUS_OPTION);

    OK(NAME(mse)(in_place, target, 2, NULL, in_place, &value));
    CHECK(value == (REAL)2.5 && in_place[0] == 2 && in_place[1] == -1);
    OK(NAME(mse)(pred, target, 2, NULL, NULL, &value));
    OK(NAME(mse)(pred, target, 2, NULL, grad, NULL));
}

static void TEST(errors)(void) {
    REAL pred[] = {0, 0, 0, 0}, target[] = {0, 1, (REAL)1.5, 2}, grad[4], value = 7;
    struct TYPE(FusedLossError) error = {9, 9};
    struct TYPE(FusedLossOptions) options;

    memset(&options, 0, sizeof options);
    options.error = &error;
    CHECK(NAME(bce_with_logits)(pred, target, 4, 1, &options, grad, &value) == FUSED_LOSS_STATUS_TARGET);
    CHECK(error.index == 2 && error.value == (REAL)1.5 && value == 7);
    pred[1] = -1;
    CHECK(NAME(bce)(pred, target, 2, FUSED_LOSS_POLICY_CLAMP, 0, &options, grad, &value) == FUSED_LOSS_STATUS_PRED);
    CHECK(error.index == 1 && error.value == -1);
    CHECK(NAME(huber)(pred, target, 4, -2, &options, grad, &value) == FUSED_LOSS_STATUS_PARAMETER);
    CHECK(error.index == 0 && error.value == -2);
    options.weights = grad;
    grad[0] = 1;
    grad[1] = (REAL)INFINITY;
    CHECK(NAME(mse)(pred, target, 2, &options, NULL, &value) == FUSED_LOSS_STATUS_WEIGHT);
    CHECK(error.index == 1 && error.value > 1);

    /* An output over an input: another's, or its own a little off. */
    CHECK(NAME(mse)(pred, target, 2, &options, grad, &value) == FUSED_LOSS_STATUS_OVERLAP);
    options.weights = NULL;
    CHECK(NAME(mse)(pred, target, 3, &options, pred + 1, &value) == FUSED_LOSS_STATUS_OVERLAP);
    CHECK(NAME(mse)(pred, target, 3, &options, target, &value) == FUSED_LOSS_STATUS_OVERLAP);
    CHECK(NAME(mse)(pred, pred, 3, &options, pred, &value) == FUSED_LOSS_STATUS_OVERLAP);
    OK(NAME(mse)(pred, pred, 3, &options, NULL, &value));
    OK(NAME(mse)(pred, target, 2, &options, pred + 2, &value));
    options.losses = grad + 1;
    CHECK(NAME(mse)(pred, target, 2, &options, grad, &value) == FUSED_LOSS_STATUS_OVERLAP);
    options.losses = NULL;

    CHECK(NAME(mse)(NULL, target, 2, &options, grad, &value) == FUSED_LOSS_STATUS_POINTER);
    CHECK(NAME(mse)(pred, NULL, 2, NULL, grad, &value) == FUSED_LOSS_STATUS_POINTER);
    CHECK(NAME(mse)(NULL, NULL, 2, NULL, NULL, NULL) == FUSED_LOSS_STATUS_POINTER);
    CHECK(NAME(mse)((const REAL *)((const char *)pred + 1), target, 2, NULL, grad, &value) == FUSED_LOSS_STATUS_POINTER);
    CHECK(NAME(mse)(pred, target, 2, NULL, grad, (REAL *)((char *)grad + 1)) == FUSED_LOSS_STATUS_POINTER);
    CHECK(NAME(mse)(pred, target, SIZE_MAX / 2, NULL, grad, &value) == FUSED_LOSS_STATUS_LENGTH);
    CHECK(NAME(mse)(pred, target, SIZE_MAX, NULL, grad, &value) == FUSED_LOSS_STATUS_LENGTH);
    CHECK(NAME(mse)(NULL, NULL, 0, NULL, NULL, &value) == FUSED_LOSS_STATUS_EMPTY);
    options.reduction = FUSED_LOSS_REDUCTION_SUM;
    OK(NAME(mse)(NULL, NULL, 0, &options, NULL, &value));
    CHECK(value == 0);
    options.class_weights = pred;
    CHECK(NAME(mse)(pred, target, 2, &options, grad, &value) == FUSED_LOSS_STATUS_UNSUPPORTED);
}

static void TEST(rows)(void) {
    /* Two rows of two classes with room for a third. */
    REAL logits[] = {50, 0, -9, 0, 0}, grad[] = {7, 7, 7, 7, 7}, log_sums[2], value;
    const REAL targets[] = {(REAL)0.5, (REAL)0.5, -9, 0, 1}, class_weights[] = {1, 3};
    const uint8_t u8[] = {0, 1};
    const uint16_t u16[] = {0, 1};
    const uint32_t u32[] = {0, 1};
    const uint64_t u64[] = {0, 1};
    const int32_t i32[] = {0, 1};
    const int64_t i64[] = {0, 1}, ignored[] = {-100, 1}, wrong[] = {0, 2};
    const void *labels[] = {u8, u16, u32, u64, i32, i64};
    bool hits[2];
    struct TYPE(FusedLossError) error = {9, 9};
    struct TYPE(FusedLossOptions) options;
    struct TYPE(FusedLossSoftmaxCrossEntropy) parameters;
    size_t type;

    memset(&options, 0, sizeof options);
    memset(&parameters, 0, sizeof parameters);
    options.error = &error;
    options.stride = 3;
    options.log_sum_exp = log_sums;
    options.hits = hits;
    options.reduction = FUSED_LOSS_REDUCTION_SUM;
    for (type = 0; type < COUNT(labels); type++) {
        memset(hits, 0xff, sizeof hits);
        OK(NAME(softmax_cross_entropy)(logits, 2, 2, labels[type], FUSED_LOSS_TARGET_U8 + (uint32_t)type, NULL, &options,
                                       grad, &value));
        NEAR(value, log(2) + exp(-50.0));
        NEAR(grad[0], -exp(-50.0));
        CHECK(grad[2] == 7 && grad[3] == (REAL)0.5 && grad[4] == (REAL)-0.5);
        CHECK(log_sums[0] == 50 && hits[0] == true && hits[1] == false);
    }
    OK(NAME(softmax_cross_entropy)(logits, 2, 2, targets, FUSED_LOSS_TARGET_ROWS, &parameters, &options, grad, &value));
    NEAR(value, 25 + log(2));
    CHECK(NAME(softmax_cross_entropy)(logits, 2, 2, wrong, FUSED_LOSS_TARGET_I64, NULL, &options, grad, &value) ==
          FUSED_LOSS_STATUS_LABEL);
    CHECK(error.index == 1);
    CHECK(NAME(softmax_cross_entropy)(logits, 2, 2, wrong, 7, NULL, &options, grad, &value) == FUSED_LOSS_STATUS_OPTION);
    CHECK(NAME(softmax_cross_entropy)(logits, 2, 2, NULL, FUSED_LOSS_TARGET_I64, NULL, &options, grad, &value) ==
          FUSED_LOSS_STATUS_POINTER);
    CHECK(NAME(softmax_cross_entropy)(logits, 2, 0, i64, FUSED_LOSS_TARGET_I64, NULL, &options, grad, &value) ==
          FUSED_LOSS_STATUS_CLASSES);
    CHECK(NAME(softmax_cross_entropy)(logits, 2, 4, i64, FUSED_LOSS_TARGET_I64, NULL, &options, grad, &value) ==
          FUSED_LOSS_STATUS_STRIDE);
    CHECK(NAME(softmax_cross_entropy)(logits, SIZE_MAX, 2, i64, FUSED_LOSS_TARGET_I64, NULL, &options, grad, &value) ==
          FUSED_LOSS_STATUS_LENGTH);

    /* Ignored rows, smoothing and the other parameters; the mean is over what takes part. */
    memset(&options, 0, sizeof options);
    options.stride = 3;
    OK(NAME(softmax_cross_entropy)(logits, 2, 2, ignored, FUSED_LOSS_TARGET_I64, NULL, &options, grad, &value));
    NEAR(value, log(2));
    CHECK(grad[0] == 0 && grad[4] == (REAL)-0.5);
    parameters.has_ignore_index = true;
    parameters.ignore_index = 1;
    parameters.label_smoothing = (REAL)0.5;
    OK(NAME(softmax_cross_entropy)(logits, 2, 2, i64, FUSED_LOSS_TARGET_I64, &parameters, &options, grad, &value));
    NEAR(value, 12.5);
    parameters.smoothing_over_others = true;
    parameters.temperature = 2;
    OK(NAME(softmax_cross_entropy)(logits, 2, 2, i64, FUSED_LOSS_TARGET_I64, &parameters, &options, grad, &value));
    NEAR(value, 12.5 + exp(-25.0));
    memset(&parameters, 0, sizeof parameters);
    parameters.z_loss = 1;
    parameters.soft_cap = 1;
    OK(NAME(softmax_cross_entropy)(logits + 3, 1, 2, i64, FUSED_LOSS_TARGET_I64, &parameters, NULL, NULL, &value));
    NEAR(value, log(2) + log(2) * log(2));
    options.class_weights = class_weights;
    OK(NAME(softmax_cross_entropy)(logits, 2, 2, i64, FUSED_LOSS_TARGET_I64, NULL, &options, grad, &value));
    NEAR(value, 3 * log(2) / 4);

    /* In place. */
    memset(&options, 0, sizeof options);
    OK(NAME(softmax_cross_entropy)(logits + 3, 1, 2, u8, FUSED_LOSS_TARGET_U8, NULL, NULL, logits + 3, &value));
    CHECK(logits[3] == (REAL)-0.5 && logits[4] == (REAL)0.5);
    CHECK(NAME(softmax_cross_entropy)(logits, 1, 2, u8, FUSED_LOSS_TARGET_U8, NULL, NULL, logits + 1, &value) ==
          FUSED_LOSS_STATUS_OVERLAP);

    {
        const REAL log_p[] = {(REAL)-0.5, -1, -2, (REAL)-0.25}, p[] = {(REAL)0.5, (REAL)0.5, 0, 1};
        const REAL zeros[] = {0, 0}, even[] = {(REAL)0.5, (REAL)0.5}, one[] = {1, 0}, log_even[] = {-1, -1};
        OK(NAME(nll)(log_p, 2, 2, ignored, FUSED_LOSS_TARGET_I64, -100, NULL, grad, &value));
        CHECK(value == (REAL)0.25 && grad[0] == 0 && grad[3] == -1);
        options.class_weights = class_weights;
        OK(NAME(nll)(log_p, 2, 2, i64, FUSED_LOSS_TARGET_I64, -100, &options, grad, &value));
        CHECK(value == (REAL)0.3125);
        options.class_weights = NULL;
        options.hits = hits;
        CHECK(NAME(nll)(log_p, 2, 2, i64, FUSED_LOSS_TARGET_I64, -100, &options, grad, &value) ==
              FUSED_LOSS_STATUS_UNSUPPORTED);

        OK(NAME(softmax_kl)(zeros, 1, 2, even, FUSED_LOSS_TARGET_ROWS, FUSED_LOSS_KIND_PROBABILITIES, 1, &options, grad,
                            &value));
        CHECK(value == 0 && grad[0] == 0);
        OK(NAME(softmax_kl)(zeros, 1, 2, one, FUSED_LOSS_TARGET_ROWS, FUSED_LOSS_KIND_PROBABILITIES, 1, NULL, grad,
                            &value));
        NEAR(value, log(2));
        OK(NAME(softmax_kl)(zeros, 1, 2, log_even, FUSED_LOSS_TARGET_ROWS, FUSED_LOSS_KIND_LOGITS, 2, NULL, grad, &value));
        CHECK(fabs((double)value) <= 2 * EPSILON);
        CHECK(NAME(softmax_kl)(zeros, 1, 2, even, FUSED_LOSS_TARGET_ROWS, 3, 1, NULL, grad, &value) ==
              FUSED_LOSS_STATUS_OPTION);
        CHECK(NAME(softmax_kl)(zeros, 1, 2, even, FUSED_LOSS_TARGET_ROWS, 0, 0, NULL, grad, &value) ==
              FUSED_LOSS_STATUS_PARAMETER);
        OK(NAME(jensen_shannon)(zeros, 1, 2, one, FUSED_LOSS_TARGET_ROWS, FUSED_LOSS_KIND_PROBABILITIES, (REAL)0.5, 1,
                                NULL, grad, &value));
        /* m = (3/4, 1/4): (ln(4/3) + ln(2/3) / 2 + ln(2) / 2) / 2 */
        NEAR(value, (log(4.0 / 3) + log(2.0 / 3) / 2 + log(2) / 2) / 2);
        OK(NAME(categorical_cross_entropy_rows)(p, 2, 2, i32, FUSED_LOSS_TARGET_I32, NULL, grad, &value));
        NEAR(value, log(2) / 2);
        CHECK(grad[0] == -1 && grad[1] == 0 && grad[2] == 0 && grad[3] == (REAL)-0.5);
    }
}

static void TEST(softmax)(void) {
    REAL logits[] = {1, 1, -2, (REAL)-INFINITY}, shares[4], log_sums[2];

    OK(NAME(softmax)(logits, 2, 2, 1, shares));
    CHECK(shares[0] == (REAL)0.5 && shares[2] == 1 && shares[3] == 0);
    OK(NAME(log_softmax)(logits, 1, 2, 1, shares));
    NEAR(shares[1], -log(2));
    OK(NAME(log_sum_exp)(logits, 2, 2, 1, log_sums));
    NEAR(log_sums[0], 1 + log(2));
    CHECK(log_sums[1] == -2);
    CHECK(NAME(log_sum_exp)(logits, 2, 1, 1, logits) == FUSED_LOSS_STATUS_OVERLAP);
    CHECK(NAME(softmax)(logits, 1, 2, 1, logits + 1) == FUSED_LOSS_STATUS_OVERLAP);
    CHECK(NAME(softmax)(logits, 1, 0, 1, shares) == FUSED_LOSS_STATUS_CLASSES);
    CHECK(NAME(softmax)(logits, 1, 2, 0, shares) == FUSED_LOSS_STATUS_PARAMETER);
    CHECK(NAME(softmax)(NULL, 1, 2, 1, shares) == FUSED_LOSS_STATUS_POINTER);
    OK(NAME(softmax)(NULL, 0, 2, 1, NULL));
    OK(NAME(log_softmax)(logits, 1, 2, 1, logits));
    NEAR(logits[0], -log(2));
    OK(NAME(softmax)(logits, 1, 2, 1, logits));
    CHECK(logits[0] == (REAL)0.5);
}

static void TEST(all)(void) {
    TEST(elementwise)();
    TEST(probabilities)();
    TEST(options)();
    TEST(errors)();
    TEST(rows)();
    TEST(softmax)();
}
