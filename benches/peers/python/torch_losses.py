"""PyTorch's own losses, for the two peers that let it find the gradient."""

from torch.nn import functional

LOSSES = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
    "bce-with-logits": functional.binary_cross_entropy_with_logits,
    "bce": functional.binary_cross_entropy,
    "kl-divergence": lambda pred, target: functional.kl_div(pred, target, reduction="mean"),
    "softmax-cross-entropy": functional.cross_entropy,
}
