//! L-BFGS (Liu and Nocedal 1989) for a function with a continuous gradient, convex where it is to come to the optimum.
//!
//! The direction is the inverse Hessian, as the last [`MEMORY`] steps show it, times the gradient. The step along it
//! is where the slope along it is small: for a convex function that is near the least value, and slopes stay exact
//! to the end, where differences of values have drowned in rounding.

use std::collections::VecDeque;

use super::network::{add, dot};

/// Steps remembered: more than the parameters of any run here with one prediction a row.
const MEMORY: usize = 40;
/// A step is right where the slope along the line has shrunk to this part.
const SLOPE_PART: f64 = 0.3;
/// Tries for one step; each at least shrinks the bracket, so running out of them means rounding has the say.
const TRIES: usize = 40;
/// Steps at most: where a caller asks for more than rounding lets be reached, it must not step about for ever.
const STEPS: usize = 1000;

/// A place, the function's value there, and its gradient.
#[derive(Clone)]
pub struct Point {
    pub at: Vec<f64>,
    pub value: f64,
    pub gradient: Vec<f64>,
}

/// A step and the change of the gradient over it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

/// Descends from `at` until `done` says so after a step, or no step leads on.
pub fn minimise<E>(
    at: Vec<f64>,
    mut function: impl FnMut(&[f64], &mut [f64]) -> Result<f64, E>,
    mut done: impl FnMut(&Point) -> Result<bool, E>,
) -> Result<Point, E> {
    let mut gradient = vec![0.0; at.len()];
    let mut point = Point { value: function(&at, &mut gradient)?, at, gradient };
    let mut pairs = VecDeque::<Pair>::new();
    for _ in 0..STEPS {
        if done(&point)? {
            break;
        }
        let mut next = along(&point, &direction(&point.gradient, &pairs), &mut function)?;
        if next.is_none() && !pairs.is_empty() {
            // A bad memory, where the curvature jumps, may be what is in the way.
            pairs.clear();
            next = along(&point, &direction(&point.gradient, &pairs), &mut function)?;
        }
        let Some(next) = next else { break };
        let (step, change) = (minus(&next.at, &point.at), minus(&next.gradient, &point.gradient));
        let curvature = dot(&step, &change);
        if curvature > 0.0 {
            if pairs.len() == MEMORY {
                pairs.pop_front();
            }
            pairs.push_back(Pair { step, change, curvature });
        }
        point = next;
    }
    Ok(point)
}

/// The two loops of L-BFGS.
fn direction(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut parts = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let part = dot(&pair.step, &direction) / pair.curvature;
        add(&mut direction, -part, &pair.change);
        parts.push(part);
    }
    if let Some(last) = pairs.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for (pair, part) in pairs.iter().zip(parts.into_iter().rev()) {
        let other = dot(&pair.change, &direction) / pair.curvature;
        add(&mut direction, part - other, &pair.step);
    }
    direction
}

/// The point along the direction where the slope along it has shrunk enough, if rounding lets it be found.
///
/// By secants between a place where the function still falls and one where it rises, kept off the bracket's ends.
fn along<E>(
    from: &Point,
    direction: &[f64],
    function: &mut impl FnMut(&[f64], &mut [f64]) -> Result<f64, E>,
) -> Result<Option<Point>, E> {
    let first = dot(&from.gradient, direction);
    let (mut falls, mut rises) = ((0.0, first), None);
    let mut length = 1.0;
    for _ in 0..TRIES {
        let mut at = from.at.clone();
        add(&mut at, length, direction);
        let mut gradient = vec![0.0; at.len()];
        let value = function(&at, &mut gradient)?;
        let slope = dot(&gradient, direction);
        // Where a convex function still falls it is lower than before; where it rises, it must show it.
        if slope.abs() <= SLOPE_PART * -first && (slope <= 0.0 || value <= from.value) {
            return Ok(Some(Point { at, value, gradient }).filter(|next| next.at != from.at));
        }
        if slope < 0.0 {
            falls = (length, slope);
        } else {
            rises = Some((length, slope));
        }
        length = match rises {
            None => 3.0 * length,
            Some((right, rise)) => {
                let (left, fall) = falls;
                let zero = fall / (fall - rise);
                left + (right - left) * zero.clamp(0.1, 0.9)
            }
        };
    }
    Ok(None)
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn finds_the_least_value_of_a_narrow_valley() -> Result<(), Infallible> {
        let scales = [1.0, 1e2, 1e4, 1e6];
        let valley = |at: &[f64], gradient: &mut [f64]| {
            for ((g, x), scale) in gradient.iter_mut().zip(at).zip(scales) {
                *g = scale * (x - 1.0);
            }
            let value = at.iter().zip(scales).map(|(x, scale)| scale * (x - 1.0) * (x - 1.0) / 2.0).sum();
            Ok::<f64, Infallible>(value)
        };
        let done = |point: &Point| Ok(point.value < 1e-20);
        let point = minimise(vec![0.0; 4], valley, done)?;
        assert!(point.at.iter().all(|x| (x - 1.0).abs() < 1e-9), "{:?}", point.at);
        Ok(())
    }
}
