/* What a test says and how it compares. */
#ifndef TEST_H
#define TEST_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fused_loss.h"

static int checks, failures;

static void check(int right, const char *what, const char *file, int line) {
    checks++;
    if (!right) {
        failures++;
        printf("%s:%d: not so: %s\n", file, line, what);
    }
}

/* Equal up to 4 units in the last place of the number type. */
static int near_to(double found, double wanted, double epsilon) {
    return fabs(found - wanted) <= 4 * epsilon * fabs(wanted);
}

#define CHECK(what) check((what), #what, __FILE__, __LINE__)
#define OK(call) CHECK((call) == FUSED_LOSS_STATUS_OK)

#endif
