"""torch.compile of value and gradient together, compiled for each shape."""

import torch

from protocol import THREADS, read, serve
from torch_losses import LOSSES

torch.set_num_threads(THREADS)


def prepare(cell):
    data, loss = read(cell), LOSSES[cell.case]
    pred, target = (torch.from_numpy(array).clone() for array in (data.pred, data.target))
    torch._dynamo.reset()  # Else it gives up after a few shapes.
    step = torch.compile(torch.func.grad_and_value(loss), dynamic=False, fullgraph=True)
    return lambda: step(pred, target)[1]


serve(torch.__version__, "the gradient, anew each call", prepare)
