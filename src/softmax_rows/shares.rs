//! The softmax itself.

use super::facts::{Fact, Facts, Few};
use super::{AT_ONCE, at_once, elements, elements_mut, no_log_sum};
use crate::dispatch::{Kernel, Level};
use crate::float::Float;
use crate::lanes::Lanes;
use crate::softmax::{Logits, load_from, store_from};

/// What becomes of the logits of rows.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    /// Nothing: the log-sum-exp is all.
    None,
    Softmax,
    LogSoftmax,
}

/// Rows of which the softmax is written, its logarithm, or the log-sum-exps.
pub struct Shares<'a, F> {
    /// Empty where they lie where the form is written.
    pub numbers: &'a [F],
    pub into: &'a mut [F],
    /// Empty where they are not asked for.
    pub log_sums: &'a mut [F],
    pub classes: usize,
    /// Without a cap.
    pub logits: Logits<F>,
    pub form: Form,
}

impl<F: Float> Shares<'_, F> {
    pub fn write(self, level: Level) {
        let Shares { numbers, into, log_sums, classes, logits, form } = self;
        let mut facts = Facts::new();
        let rows = numbers.len().max(into.len()) / classes;
        for first in (0..rows).step_by(at_once::<F>(classes)) {
            let count = if AT_ONCE == 1 { 1 } else { (rows - first).min(at_once::<F>(classes)) };
            let numbers = elements(numbers, first, classes, count * classes);
            let into = elements_mut(into, first, classes, count * classes);
            let rows = Few { numbers, kept: &mut *into, classes, stride: classes, count, live: None };
            facts.find(level, rows, &logits, form == Form::Softmax);
            for lane in 0..count {
                let (known, fact) = (facts.at(lane).is_some(), facts.of(lane));
                let numbers = elements(numbers, lane, classes, classes);
                let into = elements_mut(into, lane, classes, classes);
                if let Some(log_sum) = log_sums.get_mut(first + lane) {
                    // Nothing is written then, so the numbers are apart.
                    *log_sum = if known { fact.log_sum } else { no_log_sum(numbers) };
                }
                if !known {
                    into.fill(F::NAN);
                } else if cfg!(small) || form != Form::None {
                    level.run(Write { numbers, into, logits, fact, form });
                }
            }
        }
    }
}

/// Writes the form of a row.
struct Write<'a, F> {
    numbers: &'a [F],
    into: &'a mut [F],
    logits: Logits<F>,
    fact: Fact<F>,
    form: Form,
}

impl<F: Float> Kernel<F> for Write<'_, F> {
    type Output = ();
    type Home = Self;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) {
        let Write { numbers, into, logits, fact, form } = self;
        // The compiler leaves out what a cap takes.
        let logits = logits.uncapped();
        let sums = fact.sums(zero);
        // Of the softmax, there are exponentials already.
        let apart = form != Form::Softmax && !numbers.is_empty();
        for at in (0..into.len()).step_by(V::LANES) {
            let (number, _) = load_from(zero, if apart { numbers } else { into }, at);
            let new = if form == Form::Softmax {
                sums.share(number)
            } else {
                zero - fact.minus_log_share(&logits, number)
            };
            store_from(new, into, at);
        }
    }
}
