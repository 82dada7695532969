"""NumPy by hand: the gradient's formula, and every array kept from call to call by `out=`. NumPy has one thread."""

import numpy

from protocol import THREADS, Absent, aligned, read, serve


def mse(p, y, grad, other):
    numpy.subtract(p, y, out=grad)
    mean = numpy.square(grad, out=other).mean()
    numpy.multiply(grad, 2 / p.size, out=grad)
    return mean


def mae(p, y, grad, other):
    numpy.subtract(p, y, out=other)
    numpy.sign(other, out=grad)
    numpy.multiply(grad, 1 / p.size, out=grad)
    return numpy.abs(other, out=other).mean()


def huber(p, y, grad, other):
    numpy.subtract(p, y, out=other)
    numpy.clip(other, -1, 1, out=grad)
    other -= 0.5 * grad
    other *= grad
    numpy.multiply(grad, 1 / p.size, out=grad)
    return other.mean()


def bce_with_logits(x, y, grad, other):
    numpy.abs(x, out=other)
    numpy.negative(other, out=other)
    numpy.exp(other, out=other)
    # The logistic function of x is 1 / (1 + e^-|x|), or that times e^-|x| left of 0.
    numpy.add(other, 1, out=grad)
    numpy.divide(numpy.where(x < 0, other, 1), grad, out=grad)
    grad -= y
    grad *= 1 / x.size
    numpy.log1p(other, out=other)
    other += numpy.maximum(x, 0)
    other -= x * y
    return other.mean()


def bce(p, y, grad, other):
    numpy.log(p, out=grad)
    numpy.maximum(grad, -100, out=grad)
    grad *= y
    numpy.negative(p, out=other)
    numpy.log1p(other, out=other)
    numpy.maximum(other, -100, out=other)
    other *= 1 - y
    other += grad
    mean = -other.mean()
    numpy.subtract(1, p, out=other)
    other *= p
    numpy.subtract(p, y, out=grad)
    grad /= other
    grad *= 1 / p.size
    return mean


def kl_divergence(p, y, grad, other):
    numpy.log(y, out=other)
    other -= p
    other *= y
    numpy.multiply(y, -1 / p.size, out=grad)
    return other.mean()


def softmax_cross_entropy(x, labels, grad, other):
    rows = numpy.arange(len(labels))
    numpy.subtract(x, x.max(axis=1, keepdims=True), out=other)
    numpy.exp(other, out=grad)
    sums = grad.sum(axis=1, keepdims=True)
    mean = (numpy.log(sums[:, 0]) - other[rows, labels]).mean()
    grad *= 1 / (sums * len(labels))
    grad[rows, labels] -= 1 / len(labels)
    return mean


def prepare(cell):
    if THREADS > 1:
        raise Absent("NumPy has one thread")
    data, step = read(cell), globals()[cell.case.replace("-", "_")]
    grad, other = (aligned(data.pred.shape, data.pred.dtype) for _ in range(2))
    return lambda: step(data.pred, data.target, grad, other)


allocates = "a mask or two in the harder losses; the gradient and one array beside it are kept"
serve(numpy.__version__, allocates, prepare)
