"""PyTorch by hand: the gradient's formula, and every array kept from call to call by `out=`."""

import torch

from protocol import THREADS, read, serve

torch.set_num_threads(THREADS)


def mse(p, y, grad, other):
    torch.sub(p, y, out=grad)
    mean = torch.dot(grad, grad) / p.numel()
    grad.mul_(2 / p.numel())
    return mean


def mae(p, y, grad, other):
    torch.sub(p, y, out=other)
    torch.sign(other, out=grad)
    grad.mul_(1 / p.numel())
    return torch.linalg.vector_norm(other, ord=1) / p.numel()


def huber(p, y, grad, other):
    torch.sub(p, y, out=other)
    torch.clamp(other, -1, 1, out=grad)
    other.sub_(grad, alpha=0.5)
    mean = torch.dot(grad, other) / p.numel()
    grad.mul_(1 / p.numel())
    return mean


def bce_with_logits(x, y, grad, other):
    torch.sigmoid(x, out=grad)
    grad.sub_(y).mul_(1 / x.numel())
    # softplus(x) - x y, where softplus(x) is max(x, 0) + ln(1 + e^-|x|).
    torch.abs(x, out=other)
    other.neg_().exp_().log1p_()
    # sum max(x, 0) is (sum |x| + sum x) / 2.
    high = (torch.linalg.vector_norm(x, ord=1) + x.sum()) / 2
    return (high + other.sum() - torch.dot(x, y)) / x.numel()


def bce(p, y, grad, other):
    torch.neg(p, out=other)
    other.log1p_().clamp_min_(-100)
    torch.log(p, out=grad)
    grad.clamp_min_(-100)
    mean = -(torch.dot(y, grad) + other.sum() - torch.dot(y, other)) / p.numel()
    torch.addcmul(p, p, p, value=-1, out=other)
    torch.sub(p, y, out=grad)
    grad.div_(other).mul_(1 / p.numel())
    return mean


def kl_divergence(p, y, grad, other):
    torch.xlogy(y, y, out=other)
    mean = (other.sum() - torch.dot(y, p)) / p.numel()
    torch.mul(y, -1 / p.numel(), out=grad)
    return mean


def softmax_cross_entropy(x, labels, grad, other):
    torch.log_softmax(x, 1, out=other)
    mean = -other.gather(1, labels[:, None]).mean()
    torch.exp(other, out=grad)
    grad[torch.arange(len(labels)), labels] -= 1
    grad.mul_(1 / len(labels))
    return mean


def prepare(cell):
    data, step = read(cell), globals()[cell.case.replace("-", "_")]
    pred, target = (torch.from_numpy(array).clone() for array in (data.pred, data.target))
    grad, other = torch.zeros_like(pred), torch.zeros_like(pred)
    return lambda: step(pred, target, grad, other)


with torch.inference_mode():
    serve(torch.__version__, "nothing as large as the batch: the gradient and one array beside it are kept", prepare)
