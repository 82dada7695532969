"""numkong's Kullback-Leibler divergence: the value alone, of probabilities, which no other peer here is asked for."""

import numkong
import numpy

from protocol import THREADS, Absent, read, serve


def prepare(cell):
    if cell.case != "kl-divergence":
        raise Absent("numkong has no such loss")
    if THREADS > 1:
        raise Absent("numkong's divergence has one thread")
    data = read(cell)
    # Both as probabilities: the divergence it has is of those.
    pred = numpy.exp(data.pred, out=data.pred)
    return lambda: numkong.kullbackleibler(data.target, pred) / len(pred)


serve(numkong.__version__, "nothing; the value alone, without a gradient", prepare)
