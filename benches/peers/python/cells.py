"""What is measured: the data of each cell, and the exact mean that errors are counted from."""

from dataclasses import dataclass

import numpy

ELEMENTS = ("mse", "mae", "huber", "bce-with-logits", "bce", "kl-divergence")
ROWS = "softmax-cross-entropy"
CASES = (*ELEMENTS, ROWS)
DTYPES = {"f32": numpy.float32, "f64": numpy.float64}
LENGTHS = (1 << 8, 1 << 14, 1 << 18, 1 << 22)
SHAPES = ((256, 10), (1024, 1000), (64, 50257))


@dataclass(frozen=True)
class Cell:
    case: str
    dtype: str
    rows: int
    classes: int
    threads: int

    @property
    def key(self):
        return f"{self.case} {self.dtype} {self.size} {self.threads}"

    @property
    def size(self):
        return f"{self.rows}x{self.classes}" if self.case == ROWS else str(self.rows)

    @property
    def elements(self):
        return self.rows * self.classes


def cells(case, dtype, threads):
    shapes = SHAPES if case == ROWS else [(length, 1) for length in LENGTHS]
    return [Cell(case, dtype, rows, classes, threads) for rows, classes in shapes]


def data(cell):
    """Seeded predictions and targets: logits N(0, 3), and what fits each loss."""
    random, kind = numpy.random.default_rng(1), DTYPES[cell.dtype]
    logits = 3 * random.standard_normal(cell.elements)
    if cell.case == ROWS:
        return logits.astype(kind), random.integers(0, cell.classes, cell.rows)
    probability = 1 / (1 + numpy.exp(-logits))
    pred, target = {
        "bce-with-logits": lambda: (logits, random.integers(0, 2, cell.rows)),
        # Away from 0 and 1, where policies differ.
        "bce": lambda: (probability.clip(1e-6, 1 - 1e-6), random.integers(0, 2, cell.rows)),
        "kl-divergence": lambda: (numpy.log(probability), random.uniform(0.001, 1, cell.rows)),
    }.get(cell.case, lambda: (logits, random.standard_normal(cell.rows)))()
    return pred.astype(kind), target.astype(kind)


def exact_mean(cell, pred, target, of_probabilities=False):
    """The mean of the data as rounded, in extended precision."""
    if numpy.finfo(numpy.longdouble).nmant < 63:
        raise SystemExit("errors are counted in extended precision, which this machine's NumPy does not have")
    if of_probabilities:
        pred = numpy.log(numpy.exp(pred).astype(numpy.longdouble))
    p = pred.astype(numpy.longdouble)
    if cell.case == ROWS:
        p = p.reshape(cell.rows, cell.classes)
        most = p.max(axis=1)
        sums = numpy.exp(p - most[:, None]).sum(axis=1)
        return (numpy.log(sums) + most - p[numpy.arange(cell.rows), target]).mean()
    y = target.astype(numpy.longdouble)
    r = p - y
    size = abs(r)
    return {
        "mse": lambda: r * r,
        "mae": lambda: size,
        "huber": lambda: numpy.where(size <= 1, r * r / 2, size - numpy.longdouble(0.5)),
        "bce-with-logits": lambda: numpy.maximum(p, 0) - p * y + numpy.log1p(numpy.exp(-abs(p))),
        "bce": lambda: -(y * numpy.log(p) + (1 - y) * numpy.log1p(-p)),
        "kl-divergence": lambda: y * (numpy.log(y) - p),
    }[cell.case]().mean()


def error(mean, exact, dtype):
    """Relative error, and the same in units of the last place of the precision."""
    off = abs(numpy.longdouble(mean) - exact)
    return {"relative": float(off / abs(exact)), "ulp": float(off / numpy.spacing(abs(DTYPES[dtype](exact))))}
