#include <fused_loss.h>
#include <stdio.h>

int main(void) {
    const float logits[] = {2.5f, -1.0f, 40.0f}, labels[] = {1, 0, 0};
    float grad[3], loss;
    FusedLossStatus status = fused_loss_bce_with_logits_f32(logits, labels, 3, 1.0f, NULL, grad, &loss);
    if (status != FUSED_LOSS_STATUS_OK) return fprintf(stderr, "%s\n", fused_loss_status_text(status)), 1;
    printf("%g, [%g, %g, %g]\n", loss, grad[0], grad[1], grad[2]);
    return 0;
}
