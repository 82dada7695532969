//! The absolute error by smoothing, for it has no gradient where it matters: at its optimum several rows are met
//! exactly, and each sits on a kink.
//!
//! Huber's loss over delta lies within delta / 2 below |r|, and has a continuous gradient. So its optimum comes to
//! that of |r| as delta shrinks, and each stage is a convex problem for L-BFGS that starts where the one before ended.
//!
//! It knows when it is there without knowing the optimum. The stage's slopes s, all within -1..1, make a lower bound
//! of every value of the objective (Fenchel's dual): since |p - y| >= s (p - y),
//!
//! ```text
//! optimum >= min over (w, b) of mean s_i (x_i w + b - y_i) + PENALTY / 2 |w|^2
//! ```
//!
//! which lies mean(|r_i| - s_i r_i) below the objective, and [`Problem::excess`] of the stage's gradient, since the right
//! side has just that gradient. The first part is at most delta / 4 for a row within delta of its target and 0 for others:
//! both go to 0, so the loop ends.

use fused_loss::{AnyLoss, Huber, Mae};

use super::lbfgs::{self, Point};
use super::model::{Loss, Problem};

/// From one stage to the next, delta shrinks to this part.
const SHRINK: f64 = 0.1;
/// Below this, residuals are rounding, and a smaller delta would help no more.
const LEAST_DELTA: f64 = 1e-11;

/// Minimises the objective with the mean absolute error until the bound above is within `tolerance` of the
/// optimum, relatively. `watch` gets the objective and the bound of its excess after each step.
pub fn minimise(
    problem: &Problem,
    tolerance: f64,
    mut watch: impl FnMut(f64, f64) -> Result<(), String>,
) -> Result<Point, String> {
    let mae = Loss::Elements(AnyLoss::Mae(Mae));
    let (mut at, mut delta) = (problem.start(), 1.0);
    let mut gradient = vec![0.0; at.len()];
    loop {
        let (loss, factor) = (huber(delta), 1.0 / delta);
        let smooth = |at: &[f64], gradient: &mut [f64]| problem.objective(loss, factor, at, gradient);
        let stage = lbfgs::minimise(at, smooth, |point| {
            let objective = problem.objective(mae, 1.0, &point.at, &mut gradient)?;
            let excess = problem.excess(&point.gradient);
            watch(objective, excess + delta / 2.0)?;
            Ok(excess <= 0.1 * tolerance * point.value)
        })?;
        let objective = problem.objective(mae, 1.0, &stage.at, &mut gradient)?;
        let bound = slack(problem, delta, &stage.at)? + problem.excess(&stage.gradient);
        watch(objective, bound)?;
        if bound <= tolerance * objective || delta <= LEAST_DELTA {
            return Ok(Point { at: stage.at, value: objective, gradient });
        }
        (at, delta) = (stage.at, delta * SHRINK);
    }
}

fn huber(delta: f64) -> Loss {
    Loss::Elements(AnyLoss::Huber(Huber { delta }))
}

/// mean(|r_i| - s_i r_i), with the slopes of Huber's loss over delta.
fn slack(problem: &Problem, delta: f64, at: &[f64]) -> Result<f64, String> {
    let pred = problem.predict(at);
    let mut slope = vec![0.0; pred.len()];
    problem.mean_loss(huber(delta), 1.0 / delta, &pred, &mut slope)?;
    // The slopes are those of the mean: they bear the 1 / n.
    let count = pred.len() as f64;
    let rows = pred.iter().zip(problem.target()).zip(slope);
    Ok(rows.map(|((pred, target), s)| (pred - target).abs() / count - s * (pred - target)).sum())
}
