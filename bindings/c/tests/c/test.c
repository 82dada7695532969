/* Calls every function and compares with values worked out by hand. It is C99 and C++. */
#include <errno.h>
#include <float.h>

#include "test.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define REAL float
#define EPSILON FLT_EPSILON
#define NAME(x) JOIN(fused_loss_##x, _f32)
#define TYPE(x) JOIN(x, F32)
#define TEST(x) JOIN(test_##x, _f32)
#include "precision.h"
#undef REAL
#undef EPSILON
#undef NAME
#undef TYPE
#undef TEST
#undef NEAR
#undef COUNT

#define REAL double
#define EPSILON DBL_EPSILON
#define NAME(x) JOIN(fused_loss_##x, _f64)
#define TYPE(x) JOIN(x, F64)
#define TEST(x) JOIN(test_##x, _f64)
#include "precision.h"

int main(void) {
    uint32_t status;

    errno = 0;
    test_all_f32();
    test_all_f64();
    CHECK(errno == 0);
    for (status = 0; status <= FUSED_LOSS_STATUS_CLASS_WEIGHT; status++) {
        CHECK(strcmp(fused_loss_status_text(status), "unknown status") != 0);
    }
    CHECK(strcmp(fused_loss_status_text(FUSED_LOSS_STATUS_OK), "success") == 0);
    CHECK(strcmp(fused_loss_status_text(1000), "unknown status") == 0);
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
