"""The optimum of each linear model of `fused-loss train`, found without the crate.

    pip install numpy scipy scikit-learn clarabel
    python docs/optimum.py [DATA_DIRECTORY]        default: cli/data beside this file's directory

For each it prints the optimum (the shortest number that reads back as the same bits), which stands as a constant in
cli/src/train.rs, the quality on the held-out rows, and a proof: `primal - dual`. The objective is

    P(w, b) = mean loss(x_i w + b, y_i) + PENALTY / 2 |w|^2,

where for classes w has a column, and b, x_i w + b and s_i an element for each. For every s with sum s_i = 0 and s_i in
the domain of the loss's conjugate, Fenchel's dual

    D(s) = -mean loss*(s_i) - |X^T s / n|^2 / (2 PENALTY)

lies below every P(w, b). So P - D at the solution bounds its distance from the optimum. s is made of the loss's slopes.

The network of `train` has no optimum that could be found, and is not here.
"""

import sys
from pathlib import Path

import clarabel
import numpy as np
from scipy import sparse
from scipy.special import expit, logsumexp, softmax, xlog1py, xlogy
from sklearn.linear_model import LogisticRegression, Ridge

PENALTY = 1e-3
DELTA = 1.0


def read(path):
    """Features and target of the training rows and of the held-out rows (index % 5 == 4), as they are."""
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    held_out = np.arange(len(table)) % 5 == 4
    train, test = table[~held_out], table[held_out]
    return train[:, :-1], train[:, -1], test[:, :-1], test[:, -1]


def standardise(train, test):
    """By the mean and the population deviation of the training rows; without deviation, only centred."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation = np.where(np.ptp(train, axis=0) > 0, deviation, 1.0)
    return (train - mean) / deviation, (test - mean) / deviation


def mse(x, y):
    """Closed form. scikit-learn's Ridge minimises the sum of squares + alpha |w|^2, and centres for the bias."""
    model = Ridge(alpha=len(y) * PENALTY / 2, solver="svd").fit(x, y)
    w, b = model.coef_, model.intercept_
    residual = x @ w + b - y
    slope = 2 * residual
    return w, b, np.mean(residual**2), slope, lambda s: s * y + s**2 / 4


def quadratic_program(x, y, delta):
    """min mean(q_i^2 / 2 + delta (u_i + v_i)) + PENALTY / 2 |w|^2 where q + u - v = x w + b - y and u, v >= 0: Huber's
    loss, and without q (delta None) the absolute error."""
    n, d = x.shape
    eye, zero = sparse.identity(n), sparse.csc_matrix((n, n))
    q_column, uv_weight = (zero, 1.0) if delta is None else (eye, delta)
    cost = sparse.block_diag([PENALTY * sparse.identity(d), sparse.csc_matrix((1, 1)), eye / n, zero, zero])
    linear = np.concatenate([np.zeros(d + 1 + n), np.full(2 * n, uv_weight / n)])
    equal = sparse.hstack([-sparse.csc_matrix(x), -sparse.csc_matrix(np.ones((n, 1))), q_column, eye, -eye])
    positive = sparse.hstack([sparse.csc_matrix((2 * n, d + 1 + n)), -sparse.identity(2 * n)])
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-13
    solution = clarabel.DefaultSolver(
        sparse.csc_matrix(sparse.triu(cost)),
        linear,
        sparse.csc_matrix(sparse.vstack([equal, positive])),
        np.concatenate([-y, np.zeros(2 * n)]),
        [clarabel.ZeroConeT(n), clarabel.NonnegativeConeT(2 * n)],
        settings,
    ).solve()
    z = np.array(solution.x)
    return z[:d], z[d]


def mae(x, y):
    """An interior point method tells which rows are met exactly; with these, the optimum is a linear system in the
    weights, the bias and the slopes s of the met rows: x w + b = y there, and a gradient of zero."""
    n, d = x.shape
    w, b = quadratic_program(x, y, None)
    residual = x @ w + b - y
    met = np.abs(residual) < 1e-6
    count, sign = met.sum(), np.where(met, 0.0, np.sign(residual))
    system = np.zeros((d + 1 + count, d + 1 + count))
    system[:d, :d] = PENALTY * np.eye(d)
    system[:d, d + 1 :] = x[met].T / n
    system[d, d + 1 :] = 1.0 / n
    system[d + 1 :, :d] = x[met]
    system[d + 1 :, d] = 1.0
    right = np.concatenate([-x.T @ sign / n, [-sign.sum() / n], y[met]])
    solution = np.linalg.solve(system, right)
    w, b, slope = solution[:d], solution[d], sign.copy()
    slope[met] = solution[d + 1 :]
    print(f"    {count} rows are met exactly; their slopes lie within {np.abs(slope[met]).max():.4f} of 0 (at most 1)")
    return w, b, np.mean(np.abs(x @ w + b - y)), slope, lambda s: np.where(np.abs(s) <= 1, s * y, np.inf)


def huber(x, y):
    """An interior point method, then Newton's on the piece it ends in: the loss is piecewise quadratic."""
    n, d = x.shape
    solution = np.append(*quadratic_program(x, y, DELTA))
    rows = np.hstack([x, np.ones((n, 1))])
    penalty = PENALTY * np.diag([1.0] * d + [0.0])
    for _ in range(5):
        residual = rows @ solution - y
        slope = np.clip(residual, -DELTA, DELTA)
        inside = np.abs(residual) < DELTA
        hessian = rows[inside].T @ rows[inside] / n + penalty
        solution -= np.linalg.solve(hessian, rows.T @ slope / n + penalty @ solution)
    residual = rows @ solution - y
    slope = np.clip(residual, -DELTA, DELTA)
    loss = slope * (residual - slope / 2)
    conjugate = lambda s: np.where(np.abs(s) <= DELTA, s * y + s**2 / 2, np.inf)
    return solution[:d], solution[d], np.mean(loss), slope, conjugate


def bce_with_logits(x, y):
    """scikit-learn's Newton; it minimises the sum of losses times C + |w|^2 / 2."""
    model = LogisticRegression(C=1 / (len(y) * PENALTY), solver="newton-cholesky", tol=1e-14, max_iter=1000).fit(x, y)
    w, b = model.coef_[0], model.intercept_[0]
    logit = x @ w + b
    loss = np.logaddexp(0.0, logit) - y * logit
    slope = expit(logit) - y
    # loss*(s) is minus the entropy of the probability s + y.
    conjugate = lambda s: xlogy(s + y, s + y) + xlog1py(1 - s - y, -s - y)
    return w, b, np.mean(loss), slope, conjugate


def softmax_cross_entropy(x, y):
    """scikit-learn's Newton again, with a column of weights for each class."""
    n, d = x.shape
    model = LogisticRegression(C=1 / (n * PENALTY), solver="newton-cholesky", tol=1e-14, max_iter=1000).fit(x, y)
    w, b = model.coef_.T, model.intercept_
    own = np.eye(w.shape[1])[y.astype(int)]
    logits = x @ w + b
    loss = logsumexp(logits, axis=1) - np.sum(own * logits, axis=1)
    slope = softmax(logits, axis=1) - own
    # loss*(s) is minus the entropy of the probabilities s + own.
    conjugate = lambda s: np.sum(xlogy(s + own, s + own), axis=1)
    return w, b, np.mean(loss), slope, conjugate


def r2(pred, target):
    return "R2", 1 - np.sum((pred - target) ** 2) / np.sum((target - target.mean()) ** 2)


def accuracy(pred, target):
    return "accuracy", np.mean((pred > 0) == (target > 0.5))


def class_accuracy(pred, target):
    return "accuracy", np.mean(np.argmax(pred, axis=1) == target)


RUNS = [
    ("diabetes", "mse", mse, r2),
    ("diabetes", "mae", mae, r2),
    ("diabetes", "huber", huber, r2),
    ("breast_cancer", "bce-with-logits", bce_with_logits, accuracy),
    ("digits", "softmax-cross-entropy", softmax_cross_entropy, class_accuracy),
]


def main():
    here = Path(__file__).resolve().parent
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "cli" / "data"
    for data, name, solve, quality in RUNS:
        x, y, x_test, y_test = read(directory / f"{data}.csv")
        x, x_test = standardise(x, x_test)
        if quality is r2:
            y, y_test = standardise(y, y_test)
        print(f"{data} {name}")
        w, b, loss, slope, conjugate = solve(x, y)
        objective = loss + PENALTY / 2 * np.sum(w**2)
        gradient = np.append(x.T @ slope / len(y) + PENALTY * w, slope.mean(axis=0))
        feasible = (slope - slope.mean(axis=0)) / (1 + np.abs(slope.mean(axis=0)).max())
        dual = -np.mean(conjugate(feasible)) - np.sum((x.T @ feasible / len(y)) ** 2) / (2 * PENALTY)
        what, value = quality(x_test @ w + b, y_test)
        print(f"    optimum {float(objective)!r}, {what} {value:.6f} on {len(y_test)} held-out rows")
        print(f"    gradient at most {np.abs(gradient).max():.1e}, primal - dual {objective - dual:.1e}")


if __name__ == "__main__":
    main()
