"""What PyTorch gives, in float64, for every option of the losses over rows of classes.

    pip install torch && python tests/suite/pytorch/row_values.py > tests/suite/pytorch/row_values.tsv

Each line is one call. Lists are joined by spaces; an empty field is one that the call has not. `each` is the loss of
each row, `grad` the derivative of `value` by `pred` from autograd, `lse` the log-sum-exp of what the softmax sees of a
row, whether or not the row takes part. Errors are of some 1e-16 of what was added: the loss of a label that leads by 50
is 0 here, not 2e-22. Where PyTorch has the loss, `value` is its own reduction. These it lacks; its functions make them:

- `soft_cap`, by which z becomes c tanh(z/c), and then `temperature`, by which it becomes z/T, with no factor T^2 after;
- `z_loss`: a lse^2 is added to the loss of each row that takes part, whatever the class weights;
- `smoothing_others`: the label keeps 1 - a and every other class gets a/(K-1), where PyTorch smooths by a/K;
- `weights`, a factor to each row's loss with its z-loss. A mean still divides by the number of rows that take part;
- softmax-js: beta KL(p, m) + (1 - beta) KL(q, m) with m = beta p + (1 - beta) q, p the target and q the softmax: (1) of
  arXiv 2306.13649 and TRL's `generalized_jsd_loss`, which takes KL(p, q) and KL(q, p) at beta 0 and 1, where this is 0.

With class weights w, PyTorch's loss of a row is -sum of w_k t_k ln q_k, where t is the target after smoothing. A mean
divides by the sum of the w of the labels that take part, but for distributions by the number of rows.
"""

import math

import torch
from torch.nn import functional

from values import INF, joined, numbers

FIELDS = "loss options end classes pred target labels class_weights weights value each grad lse".split()


class Batch:
    def __init__(self, logits, labels, target):
        self.logits, self.labels, self.target = numbers(*logits), torch.tensor(labels), numbers(*target)
        self.weights = numbers(2.0, 0.25, 0.0, -0.75, 1.5)[: len(logits)]
        self.class_weights = numbers(0.0, 1.75, 0.5, 3.0, 0.25, 1.0, 2.5)[: len(logits[0])]


MODERATE = Batch(
    [[0.5, -1.25, 2, 0, 0.75], [1.5, 1.5, -0.5, 3, -2], [-4, 0.25, 0.1, -0.3, 2.5], [0] * 5],
    [2, 0, 4, 1],
    [[0.5, 0.125, 0.25, 0, 0.125], [0, 0, 0, 1, 0], [0.2] * 5, [0, 0.75, 0, 0.25, 0]],
)
NARROW = Batch(
    [[1, 2, -1], [0.3, -0.2, 0.1], [-6, 4.5, 5], [2, 2, 2], [-0.5, 0.75, 0]],
    [1, 2, 0, 1, 2],
    [[0.25, 0.5, 0.25], [1, 0, 0], [0, 0.125, 0.875], [0.5, 0.5, 0], [0.1, 0.2, 0.7]],
)
# The first row leads by 40, and not to its label.
WIDE = Batch(
    [[0.5, 41, 1, -3, 0, 0.25, -1], [1, 0.5, 0, -0.5, -1, 3.5, 2], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]],
    [3, 5, 1],
    [[0, 0.75, 0.25, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1], [0.25] + [0.125] * 6],
)
# Leads of 30 to 50, to the label and to others, and masked classes, in the last row all but one.
LEADS = Batch(
    [[40, 0, -3, -INF], [-INF, 1, 51, 0.5], [0, -30, -INF, -INF], [1, 2, -INF, 3], [-INF, -INF, -INF, 7]],
    [0, 2, 1, 3, 3],
    [[1, 0, 0, 0], [0, 0.25, 0.5, 0.25], [0.5, 0.5, 0, 0], [0.75, 0, 0, 0.25], [0, 0, 0, 1]],
)

MASK = -1e4  # For -inf: its exponential is 0 as well, but 0 times it is no NaN.


def seen(z, options):
    """The logits as the softmax sees them."""
    z, cap = z.clamp(min=MASK), options.get("soft_cap")
    return (z if cap is None else cap * torch.tanh(z / cap)) / options.get("temperature", 1.0)


def lse(z, options):
    return torch.logsumexp(seen(z, options), 1)


def log_softmax(z, options):
    return torch.log_softmax(seen(z, options), 1)


def logarithms(target, options):
    if options["kind"] == "logits":
        return log_softmax(target, options)
    return (target.log() if options["kind"] == "probabilities" else target).clamp(min=MASK)


def call(loss, options, ends, pred, each, rows, own=None, weights=None, **fields):
    """`each(pred)` is the loss of each row. PyTorch's reduction is `own(pred, end)`; else the mean is over `rows`."""
    for end in ends:
        leaf = pred.clone().requires_grad_()
        losses = each(leaf) * (1 if weights is None else weights)
        value = own(leaf, end) if own and weights is None else losses.sum() / (rows if end == "mean" else 1)
        value.backward()
        fields |= {"loss": loss, "options": " ".join(f"{name}={of}" for name, of in options.items()), "end": end}
        fields |= {"classes": pred.shape[1], "pred": pred, "weights": weights}
        fields |= {"value": value, "each": losses, "grad": leaf.grad}
        fields["lse"] = None if loss == "nll" else lse(pred, options)
        texts = {name: joined(of) if torch.is_tensor(of) else str(of) for name, of in fields.items() if of is not None}
        print("\t".join(texts.get(field, "") for field in FIELDS))


def of_labels(batch, options, class_weights):
    """The labels, the index that is ignored, whether each row takes part, and what a mean divides by."""
    labels, index = batch.labels.clone(), options.get("ignore_index", -100)
    labels[1] = options.get("ignore_index", labels[1])
    kept = labels != index
    return labels, index, kept, kept.sum() if class_weights is None else class_weights[labels[kept]].sum()


def cross_entropy(batch, options, ends, soft=False, class_weights=None, weights=None):
    smoothing, others = options.get("label_smoothing", 0.0), options.get("smoothing_others")
    target, index, kept, rows = of_labels(batch, options, class_weights)
    if soft:
        target, rows = batch.target, len(batch.target)
    given = {"target" if soft else "labels": target, "class_weights": class_weights}
    if others:
        right = functional.one_hot(target.where(kept, 0), batch.logits.shape[1]).double()
        target = right * (1 - smoothing) + (1 - right) * (smoothing / (right.shape[1] - 1))
        index, smoothing = -100, 0.0

    own = lambda z, reduction: functional.cross_entropy(
        seen(z, options), target, class_weights, ignore_index=index, label_smoothing=smoothing, reduction=reduction
    )
    each = lambda z: (own(z, "none") + options.get("z_loss", 0.0) * lse(z, options) ** 2).where(kept, 0.0)
    pytorch = None if others or "z_loss" in options else own
    call("softmax-cross-entropy", options, ends, batch.logits, each, rows, pytorch, weights, **given)


def nll(batch, options, ends, class_weights=None, weights=None):
    labels, index, _, rows = of_labels(batch, options, class_weights)
    own = lambda p, reduction: functional.nll_loss(p, labels, class_weights, ignore_index=index, reduction=reduction)
    # It takes any numbers: those of the first batch are no logarithms of probabilities.
    pred = batch.logits if batch is MODERATE else torch.log_softmax(batch.logits, 1)
    more = {"weights": weights, "class_weights": class_weights, "labels": labels}
    call("nll", options, ends, pred, lambda p: own(p, "none"), rows, own, **more)


def kl(batch, options, ends, target, weights=None):
    given, of_log = (target, False) if options["kind"] == "probabilities" else (logarithms(target, options), True)
    kl_div = lambda z, end: functional.kl_div(log_softmax(z, options), given, reduction=end, log_target=of_log)
    own = lambda z, end: kl_div(z, {"sum": "sum", "mean": "batchmean"}[end])
    each = lambda z: kl_div(z, "none").sum(1)
    call("softmax-kl", options, ends, batch.logits, each, len(target), own, weights, target=target)


def js(batch, options, ends, target, weights=None):
    beta, log_p = options["beta"], logarithms(target, options)

    def each(z):
        log_q = log_softmax(z, options)
        log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log1p(-beta))
        to_m = lambda log: functional.kl_div(log_m, log, reduction="none", log_target=True).sum(1)
        return beta * to_m(log_p) + (1 - beta) * to_m(log_q)

    call("softmax-js", options, ends, batch.logits, each, len(target), weights=weights, target=target)


BOTH, MEAN = ["sum", "mean"], ["mean"]
IGNORING = [{}, dict(ignore_index=-100), dict(ignore_index=1)]
SMOOTH = [dict(label_smoothing=0.1), dict(label_smoothing=0.35)]
SCALED = [dict(z_loss=0.25), dict(temperature=0.5), dict(temperature=4.0)]
CAPPED = [dict(z_loss=1e-4), dict(soft_cap=2.0), dict(soft_cap=30.0), dict(soft_cap=5.0, temperature=0.7)]
REST = dict(label_smoothing=0.2, z_loss=0.25, soft_cap=5.0, temperature=0.7)


def labelled():
    once = [dict(smooth, smoothing_others=1) for smooth in SMOOTH] + [dict(label_smoothing=0.2, smoothing_others=0)]
    twice = [dict(ignore_index=1, label_smoothing=0.1), dict(ignore_index=-100, label_smoothing=0.1, z_loss=0.01)]
    twice += [dict(ignore_index=-100, **REST), dict(ignore_index=1, smoothing_others=1, **REST)] + IGNORING
    for options in twice + SMOOTH + [dict(label_smoothing=1.0)] + once + SCALED + CAPPED:
        cross_entropy(MODERATE, options, MEAN)
        cross_entropy(NARROW, options, BOTH if options in twice else MEAN, class_weights=NARROW.class_weights)
    for options in twice + SMOOTH + SCALED:
        cross_entropy(WIDE, options, MEAN, weights=WIDE.weights)
    # No smoothing here: over masked classes it makes the loss infinite.
    for options in IGNORING + SCALED:
        cross_entropy(LEADS, options, MEAN)
    for options in IGNORING:
        cross_entropy(LEADS, options, MEAN, class_weights=LEADS.class_weights)
        cross_entropy(LEADS, options, MEAN, weights=LEADS.weights)
        for batch in [MODERATE, NARROW, LEADS]:
            nll(batch, options, BOTH)
            nll(batch, options, BOTH, class_weights=batch.class_weights)
            nll(batch, options, MEAN, weights=batch.weights)


def distributions():
    for options in [{}] + SMOOTH + SCALED + CAPPED + [dict(label_smoothing=0.1, z_loss=0.01), REST]:
        cross_entropy(MODERATE, options, MEAN, soft=True)
        cross_entropy(NARROW, options, BOTH, soft=True, class_weights=NARROW.class_weights)
    for options in [{}, REST]:
        cross_entropy(WIDE, options, BOTH, soft=True, weights=WIDE.weights)
    for options in [{}] + SCALED:
        cross_entropy(LEADS, options, MEAN, soft=True)
        cross_entropy(LEADS, options, MEAN, soft=True, class_weights=LEADS.class_weights)


def divergences():
    for batch, teacher in [(NARROW, NARROW.logits.flip(1)), (LEADS, LEADS.logits / 4)]:
        kinds = {"probabilities": batch.target, "log-probabilities": batch.target.log(), "logits": teacher}
        for kind, target in kinds.items():
            for more in [{}] + SCALED[1:]:
                kl(batch, dict(kind=kind, **more), MEAN if more else BOTH, target)
                js(batch, dict(kind=kind, beta=0.5, **more), MEAN if more else BOTH, target)
            for beta in [0.1, 0.9] if batch is NARROW else []:
                js(batch, dict(kind=kind, beta=beta), MEAN, target)
            kl(batch, dict(kind=kind), MEAN, target, weights=batch.weights)
            js(batch, dict(kind=kind, beta=0.25), MEAN, target, weights=batch.weights)
    # Targets where the class is masked: JS is finite there too.
    for beta in [0.1, 0.5]:
        js(LEADS, dict(kind="probabilities", beta=beta), MEAN, LEADS.target.flip(0))


def main():
    print("#", "PyTorch", torch.__version__.split("+")[0])
    print("\t".join(FIELDS))
    for group in [labelled, distributions, divergences]:
        group()


if __name__ == "__main__":
    main()
