//! Times: the contenders in turn, so that what slows the machine down slows all of them down.

use std::hint::black_box;
use std::time::{Duration, Instant};

use fused_loss::Float;

use super::Mode;
use super::data::Arrays;
use super::slices::Slices;

/// Rounds, in each of which every contender has its turn; the median of an odd number is one of them.
const ROUNDS: usize = 15;
const FEW_ROUNDS: usize = 5;
/// A turn takes samples until it has lasted this long. The shortest one counts: what else the machine does only adds to them.
const TURN: Duration = Duration::from_millis(4);
/// A sample repeats its call until it lasts this long, which the clock can tell.
const LEAST: Duration = Duration::from_micros(500);

type Call<'a, F> = &'a dyn Fn(Slices<'_, F>) -> Result<(), String>;

/// The time of each contender's call, in nanoseconds: the median of its turns.
pub fn medians<F: Float>(arrays: &mut Arrays<F>, contenders: &[Call<'_, F>]) -> Result<Vec<f64>, String> {
    medians_of(arrays, contenders, ROUNDS)
}

/// Which contender is the fastest, by fewer rounds than [`medians`] takes.
pub fn fastest<F: Float>(arrays: &mut Arrays<F>, contenders: &[Call<'_, F>]) -> Result<usize, String> {
    let times = medians_of(arrays, contenders, FEW_ROUNDS)?;
    let order = |&a: &usize, &b: &usize| times[a].total_cmp(&times[b]);
    Ok((0..times.len()).min_by(order).unwrap_or(0))
}

fn medians_of<F: Float>(
    arrays: &mut Arrays<F>,
    contenders: &[Call<'_, F>],
    rounds: usize,
) -> Result<Vec<f64>, String> {
    let mut counts = Vec::new();
    for call in contenders {
        let mut count = 1;
        while sample(arrays, call, count)? < LEAST.as_nanos() as f64 {
            count *= 2;
        }
        counts.push(count);
    }
    let mut turns = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            // Each round begins with another one: in a fixed order, a scheduler with slices of a few milliseconds
            // may cut short the same one every time.
            let who = (round + turn) % contenders.len();
            let (call, count) = (&contenders[who], counts[who]);
            // Once off the clock: the contender before may have left other things in the cache.
            sample(arrays, call, 1)?;
            let (mut spent, mut least) = (0.0, f64::INFINITY);
            while spent < TURN.as_nanos() as f64 {
                let time = sample(arrays, call, count)?;
                (spent, least) = (spent + time, least.min(time));
            }
            turns[who].push(least / f64::from(count));
        }
    }
    Ok(turns.into_iter().map(median).collect())
}

/// Nanoseconds of so many calls.
fn sample<F: Float>(arrays: &mut Arrays<F>, call: &Call<'_, F>, count: u32) -> Result<f64, String> {
    if arrays.mode() != Mode::InPlace {
        let mut slices = arrays.slices();
        let start = Instant::now();
        for _ in 0..count {
            call(black_box(slices.reborrow()))?;
        }
        return Ok(start.elapsed().as_nanos() as f64);
    }
    // Each call has to find the predictions, which are brought back off the clock.
    let mut spent = Duration::ZERO;
    for _ in 0..count {
        arrays.restore();
        let slices = black_box(arrays.slices());
        let start = Instant::now();
        call(slices)?;
        spent += start.elapsed();
    }
    arrays.restore();
    // Looking at the clock takes time as well.
    Ok((spent.as_nanos() as f64 - f64::from(count) * look()).max(1.0))
}

/// Nanoseconds between two looks at the clock.
fn look() -> f64 {
    const LOOKS: u32 = 100;
    let mut spent = Duration::ZERO;
    for _ in 0..LOOKS {
        let start = Instant::now();
        spent += start.elapsed();
    }
    spent.as_nanos() as f64 / f64::from(LOOKS)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::super::Size;
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn every_call_in_place_finds_the_predictions() {
        let mut arrays = Arrays::<f32>::new(Size::Elements { len: 8 }, Mode::InPlace).unwrap();
        let fresh = |slices: Slices<'_, f32>| {
            let found = slices.out.iter().all(|&p| p == 1.0);
            slices.out.fill(2.0);
            std::thread::sleep(Duration::from_millis(2));
            if found { Ok(()) } else { Err("changed".into()) }
        };
        assert!(medians(&mut arrays, &[&fresh]).unwrap()[0] >= 2e6);
    }
}
