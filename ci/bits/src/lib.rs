//! One corpus of calls, the same on every target, and what all their results hash to.
//!
//! A case is a loss with its parameters in one precision. Its inputs are made of integers, so that no target makes them
//! otherwise; its hash takes in every result, gradient and unreduced loss, NaN always as one and the same. `hashes.txt` has
//! a line a case: the hash of the unfused class, that of the fused one, and the case's name.
#![no_std]

use fused_loss::{AnyLoss, AnyRowLoss, Level, Parameter, Rounding};

mod calls;
mod inputs;

use calls::Call;

const HASHES: &str = include_str!("../hashes.txt");

/// The first case that has other bits than it should.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    pub case: &'static str,
    pub found: u64,
    pub expected: u64,
}

/// Runs all cases on a level. How many there are, if all of them have the bits that they should.
pub fn compare(level: Level) -> Result<usize, Difference> {
    let mut lines = HASHES.lines();
    let mut difference = None;
    let mut count = 0;
    each(level, &mut |_, found| {
        let line = lines.next().unwrap_or("- - a case that is not in the list");
        let mut words = line.splitn(3, ' ');
        let (unfused, fused) = (words.next(), words.next());
        let word = if level.rounding() == Rounding::Fused { fused } else { unfused };
        let expected = u64::from_str_radix(word.unwrap_or_default(), 16).unwrap_or(0);
        if found != expected && difference.is_none() {
            difference = Some(Difference { case: words.next().unwrap_or_default(), found, expected });
        }
        count += 1;
    });
    if difference.is_none() && lines.next().is_some() {
        difference = Some(Difference { case: "a case that is no more", found: 0, expected: 0 });
    }
    difference.map_or(Ok(count), Err)
}

/// What makes a case, for its name.
pub struct Case {
    pub precision: &'static str,
    pub loss: &'static str,
    /// The one parameter that is not at its default.
    pub other: Option<(&'static Parameter, f64)>,
}

/// Calls `report` with each case and its hash.
pub fn each(level: Level, report: &mut dyn FnMut(Case, u64)) {
    in_precision::<f32>("f32", level, report);
    in_precision::<f64>("f64", level, report);
}

fn in_precision<F: calls::Number>(precision: &'static str, level: Level, report: &mut dyn FnMut(Case, u64)) {
    let mut room = calls::Room::<F>::new();
    for entry in AnyLoss::<F>::list().chain(AnyRowLoss::<F>::list()) {
        settings(entry.parameters, &mut |other| {
            let value = |parameter: &Parameter| match other {
                Some((this, value)) if this.name == parameter.name => Some(F::from_f64(value)),
                _ => None,
            };
            let mut call = Call::new(level, &mut room, other.is_none());
            if let Some(loss) = AnyLoss::named(entry.name, value) {
                call.elementwise(loss);
                call.over_rows(loss.into());
            } else if let Some(loss) = AnyRowLoss::named(entry.name, value) {
                call.over_rows(loss);
            }
            report(Case { precision, loss: entry.name, other }, call.hash());
        });
    }
    let mut call = Call::new(level, &mut room, true);
    call.softmax();
    report(Case { precision, loss: "softmax", other: None }, call.hash());
}

/// All defaults, and then every parameter away from it alone.
fn settings(parameters: &'static [Parameter], with: &mut dyn FnMut(Option<(&'static Parameter, f64)>)) {
    with(None);
    for parameter in parameters {
        for value in [0.125, 0.5, 1.0, 2.0, 3.0] {
            if value != parameter.default && parameter.check(value).is_ok() {
                with(Some((parameter, value)));
            }
        }
    }
}

/// For JavaScript: 0, or one more than the place of the first case that differs.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub extern "C" fn first_difference() -> u32 {
    let level = Level::detect();
    match compare(level) {
        Ok(_) => 0,
        Err(difference) => {
            1 + HASHES.lines().take_while(|line| !line.ends_with(difference.case)).count() as u32
        }
    }
}

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
