"""What PyTorch gives, in float64, for every option of the losses that it has too.

    pip install torch && python tests/suite/pytorch/values.py > tests/suite/pytorch/values.tsv

Each line is one call. Lists are joined by spaces; an empty field is one that the call has not. `grad` is the derivative
of `value` by the predictions, from autograd, and is left empty where PyTorch's is not the derivative of its own loss.
"""

import warnings

import torch
from torch import nn
from torch.nn import functional

FIELDS = "loss parameters end classes pred target labels weights value each grad".split()
END = {"sum": "sum", "mean": "mean", "batchmean": "batch-mean"}
INF = float("inf")


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def joined(tensor):
    return " ".join(repr(value) for value in tensor.flatten().tolist())


def line(**fields):
    assert set(fields) <= set(FIELDS)
    print("\t".join(str(fields.get(field, "")) for field in FIELDS))


def call(loss, parameters, end, function, pred, grad=True, each=True, **fields):
    """`function(pred, reduction)` is PyTorch's loss."""
    pred = pred.clone().requires_grad_()
    value = function(pred, end)
    value.backward()
    line(
        loss=loss,
        parameters=" ".join(f"{name}={float(value)}" for name, value in parameters.items()),
        end=END[end],
        pred=joined(pred.detach()),
        value=joined(value.detach()),
        each=joined(function(pred.detach(), "none")) if each else "",
        grad=joined(pred.grad) if grad else "",
        **fields,
    )


def elements(loss, parameters, function, pred, target, ends=("sum", "mean"), **more):
    for end in ends:
        bound = lambda p, reduction: function(p, target, reduction=reduction)
        call(loss, parameters, end, bound, pred, target=joined(target), **more)


def regression():
    pred = numbers(0.0, 0.1, -0.7, 1.5, -3.25, 12.0, 1e-9, 1e4, 0.3, -0.0, 2.5, -1.0)
    target = numbers(0.0, -0.4, -0.2, 1.5, 2.75, -8.0, 0.0, -1e4, 1.3, 0.0, 0.0, 1.5)
    elements("mse", {}, functional.mse_loss, pred, target)
    elements("mae", {}, functional.l1_loss, pred, target)
    for delta in [0.1, 0.5, 1.0, 2.5]:
        huber = lambda p, y, reduction: functional.huber_loss(p, y, reduction=reduction, delta=delta)
        elements("huber", {"delta": delta}, huber, pred, target)
    for beta in [0.0, 0.1, 0.5, 1.0, 2.5]:
        smooth = lambda p, y, reduction: functional.smooth_l1_loss(p, y, reduction=reduction, beta=beta)
        elements("smooth-l1", {"beta": beta}, smooth, pred, target)


def binary():
    logits = numbers(0.0, 0.5, -0.5, 3.0, -3.0, 40.0, -40.0, 800.0, -800.0, 1e-9, 2.0, -7.5)
    target = numbers(1.0, 1.0, 0.0, 0.0, 0.25, 1.0, 1.0, 0.0, 0.0, 0.5, 0.9, 0.125)
    for weight in [0.25, 1.0, 3.0]:
        function = lambda p, y, reduction: functional.binary_cross_entropy_with_logits(
            p, y, reduction=reduction, pos_weight=numbers(weight)
        )
        elements("bce-with-logits", {"pos_weight": weight}, function, logits, target)

    inner = numbers(0.5, 0.1, 0.9, 0.999, 1e-9, 0.25, 0.75, 0.3)
    target = numbers(1.0, 0.0, 1.0, 0.0, 1.0, 0.25, 0.9, 0.0)
    for policy in [0, 1]:
        elements("bce", {"policy": policy}, functional.binary_cross_entropy, inner, target)
    # Where it clamps the logarithm at -100, PyTorch divides by 1e-12 instead, which is the slope of no clamped loss.
    ends = numbers(0.0, 1.0, 0.0, 1.0, 1e-50, 0.0, 0.5)
    target = numbers(1.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.5)
    elements("bce", {"policy": 1}, functional.binary_cross_entropy, ends, target, grad=False)
    # As Keras does it.
    ends = numbers(0.0, 1.0, 0.0, 1.0, 1e-8, 0.5, 1e-6, 0.3)
    target = numbers(1.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.25, 0.0)
    for eps in [1e-7, 0.01]:
        clipped = lambda p, y, reduction: functional.binary_cross_entropy(p.clamp(eps, 1 - eps), y, reduction=reduction)
        elements("bce", {"policy": 2, "eps": eps}, clipped, ends, target)


def divergences():
    logits = torch.tensor([[0.1, -0.7, 1.2, 0.0], [5.0, -5.0, 0.0, 0.0], [0.3, 0.2, 0.1, -9.0]], dtype=torch.float64)
    log_p = torch.log_softmax(logits, 1)
    y = torch.tensor([[0.25, 0.5, 0.125, 0.125], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.9, 0.1]], dtype=torch.float64)
    log_y = torch.log_softmax(-0.5 * logits, 1)
    ends = ("sum", "mean", "batchmean")
    for of_log, target in [(False, y), (True, log_y)]:
        function = lambda p, t, reduction: functional.kl_div(p, t, reduction=reduction, log_target=of_log)
        ofp = lambda p, t, reduction: functional.kl_div(p.log(), t, reduction=reduction, log_target=of_log)
        for name, pred, kl in [(0, log_p, function), (1, log_p.exp(), ofp)]:
            parameters = {"log_target": of_log, "pred_probabilities": name}
            elements("kl-divergence", parameters, kl, pred, target, ends, classes=4)

    # sum of y (ln y - ln p) + p - y, of any sums: what nn.PoissonNLLLoss is, less what does not depend on p.
    p = numbers(0.5, 2.0, 7.25, 0.1, 3.0, 1e-3)
    y = numbers(0.25, 2.0, 11.0, 0.3, 0.0, 1e3)

    def generalized(p, y, log_input, reduction):
        poisson = nn.PoissonNLLLoss(log_input=log_input, full=False, eps=0.0, reduction="none")(p, y)
        each = poisson + torch.xlogy(y, y) - y
        return {"none": lambda each: each, "sum": torch.sum, "mean": torch.mean}[reduction](each)

    for of_log, target in [(False, y), (True, y[y > 0].log())]:
        for probabilities in [False, True]:
            pred = p if not of_log else p[y > 0]
            function = lambda q, t, reduction: generalized(q, t.exp() if of_log else t, not probabilities, reduction)
            parameters = {"log_target": of_log, "pred_probabilities": probabilities}
            elements("generalized-kl", parameters, function, pred if probabilities else pred.log(), target)


def categorical():
    p = torch.softmax(
        torch.tensor([[0.1, -0.7, 1.2], [5.0, -5.0, 0.0], [0.3, 0.2, -9.0], [0.0, 0.0, 0.0]], dtype=torch.float64), 1
    )
    labels = torch.tensor([2, 1, 0, 1])
    weights = numbers(1.0, 0.25, 0.0, 3.0)
    name, shape = "categorical-cross-entropy", {"classes": 3, "labels": " ".join(map(str, labels.tolist()))}
    for end in ["sum", "mean"]:
        hard = lambda p, reduction: functional.nll_loss(p.log(), labels, reduction=reduction)
        call(name, {}, end, hard, p, **shape)
    # nll_loss of these labels with weights that depend on the row alone.
    for end in ["sum", "mean"]:

        def weighed(p, reduction):
            each = functional.nll_loss(p.log(), labels, reduction="none") * weights
            return {"none": lambda each: each, "sum": torch.sum, "mean": torch.mean}[reduction](each)

        call(name, {}, end, weighed, p, weights=joined(weights), **shape)
    soft = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.1, 0.0, 0.9], [0.25, 0.25, 0.5]], dtype=torch.float64)

    # PyTorch takes soft targets together with logits only; p sums to 1, so its logarithms are logits of it. Its slope by
    # them is not that by p, which is therefore taken from the formula's own autograd.
    def of_rows(p, reduction):
        if not p.requires_grad:
            return functional.cross_entropy(p.log(), soft, reduction=reduction)
        each = -torch.xlogy(soft, p).sum(1)
        return {"sum": torch.sum, "mean": torch.mean}[reduction](each)

    for end in ["sum", "mean"]:
        call(name, {}, end, of_rows, p, classes=3, target=joined(soft))


def specials():
    """Infinities, zeros and NaN, where PyTorch keeps to the formulas."""
    nan = float("nan")
    pred = numbers(INF, -INF, nan, 1.0, 1.0, 1.0, 0.0)
    target = numbers(1.0, 1.0, 1.0, nan, INF, -INF, -0.0)
    elements("mse", {}, functional.mse_loss, pred, target, ("sum",))
    elements("huber", {"delta": 1.0}, functional.huber_loss, pred, target, ("sum",))
    # Its slope of NaN is 0.
    elements("mae", {}, functional.l1_loss, pred, target, ("sum",), grad=False)
    # Its slope at infinity is NaN, not 0 or 1, and so is its loss of -inf and 1.
    logits, target = numbers(INF, nan), numbers(0.0, 1.0)
    bce = functional.binary_cross_entropy_with_logits
    elements("bce-with-logits", {"pos_weight": 1.0}, bce, logits, target, ("sum",), grad=False)
    log_p, y = numbers(-1.0, -2.0, -INF, -3.0), numbers(0.0, 0.0, 0.5, 0.0)
    elements("kl-divergence", {"log_target": 0, "pred_probabilities": 0}, functional.kl_div, log_p, y, ("sum",))


def main():
    warnings.simplefilter("ignore", UserWarning)  # that 'mean' of kl_div is not 'batchmean'
    print("#", "PyTorch", torch.__version__.split("+")[0])
    print("\t".join(FIELDS))
    for group in [regression, binary, divergences, categorical, specials]:
        group()


if __name__ == "__main__":
    main()
