//! The targets of a row, one for each class.

use super::facts::Fact;
use super::{OverSoftmax, elements};
use crate::float::Float;
use crate::lanes::{Lanes, Mask};
use crate::loss::Domain;
use crate::row_loss::{OfRow, RowTargets};
use crate::softmax::{Logits, is_place, load_from};

/// The targets of a row, as a loss of shares sees them.
#[derive(Clone, Copy)]
pub struct Distribution<'a, F> {
    /// Empty where there is a label.
    of: &'a [F],
    label: usize,
    /// Empty where there are none.
    class_weights: &'a [F],
    smoothed: Smoothed<F>,
    /// What a teacher's logits go through, where targets are such.
    teacher: Option<&'a Logits<F>>,
    /// What is known of them. The compiler works with it before it looks whether there is a teacher, and of what is no number
    /// at all a CPU may take many times the time: without one, it is zeros.
    fact: Fact<F>,
}

impl<'a, F: Float> Distribution<'a, F> {
    #[inline(always)]
    pub fn new<L>(
        target: &RowTargets<'a, F>,
        over: &'a OverSoftmax<F, L>,
        row: usize,
        label: Option<usize>,
        fact: Fact<F>,
    ) -> Self {
        let RowTargets { classes, stride, of, .. } = *target;
        Distribution {
            of: match of {
                OfRow::Each(target) => elements(target, row, stride, classes),
                OfRow::Label(_) => &[],
            },
            label: label.unwrap_or(usize::MAX),
            class_weights: target.class_weights.unwrap_or_default(),
            smoothed: Smoothed::new(over, classes),
            teacher: over.teacher.then_some(&over.logits),
            fact,
        }
    }

    /// Lanes whose targets, as they are given, lie in the domain; none where it is everything, or there is a label, or they have
    /// been looked at already, compiled for size.
    #[inline(always)]
    pub fn inside<V: Lanes<Elem = F>>(&self, zero: V, at: usize, domain: Domain<F>) -> Option<V::Mask> {
        if cfg!(small) || self.of.is_empty() {
            return None;
        }
        domain.inside(load_from(zero, self.of, at).0)
    }

    #[cfg_attr(not(called), inline(always))]
    #[cfg_attr(called, inline(never))]
    pub fn at<V: Lanes<Elem = F>>(&self, zero: V, at: usize) -> V {
        let target = match self.of.is_empty() {
            true => is_place(zero, at, self.label).select(zero.splat(F::ONE), zero),
            false => load_from(zero, self.of, at).0,
        };
        if let Some(logits) = self.teacher {
            return zero - self.fact.minus_log_share(logits, target);
        }
        let target = self.smoothed.target(target);
        if self.class_weights.is_empty() {
            return target;
        }
        target * load_from(zero, self.class_weights, at).0
    }
}

/// What smoothing leaves of a target, and what it adds to each, or to what each lacks of 1.
#[derive(Clone, Copy)]
pub struct Smoothed<F> {
    kept: F,
    added: F,
    over_others: bool,
}

impl<F: Float> Smoothed<F> {
    #[inline(always)]
    pub fn new<L>(of: &OverSoftmax<F, L>, classes: usize) -> Self {
        let over = classes - usize::from(of.over_others);
        let added = of.smoothing / F::from_count(over as u64);
        Smoothed { kept: F::ONE - of.smoothing, added, over_others: of.over_others }
    }

    #[inline(always)]
    pub fn target<V: Lanes<Elem = F>>(&self, target: V) -> V {
        if self.added == F::ZERO {
            return target;
        }
        let one = target.splat(F::ONE);
        // Where all of a label goes to the others, exactly nothing is left of it.
        let lacking = if self.over_others { one - target } else { one };
        target * target.splat(self.kept) + lacking * target.splat(self.added)
    }
}
