"""PyTorch as most people use it: a loss and `backward()`."""

import torch

from protocol import THREADS, read, serve
from torch_losses import LOSSES

torch.set_num_threads(THREADS)


def prepare(cell):
    data, loss = read(cell), LOSSES[cell.case]
    # Clones begin a cache line, as PyTorch's own arrays do.
    pred = torch.from_numpy(data.pred).clone().requires_grad_()
    target = torch.from_numpy(data.target).clone()

    def call():
        pred.grad = None
        mean = loss(pred, target)
        mean.backward()
        return mean.detach()

    return call


serve(torch.__version__, "the gradient and every step between, anew each call", prepare)
