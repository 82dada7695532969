//! The part of the oracle of rows that knows which calls are refused.

use fused_loss::{Error, JensenShannon, Level, SoftmaxKl, TargetKind};

use super::reference::Tested;
use super::row_call::{End, Out, RowCall, To};
use super::row_oracle::Worst;
use super::row_reference::RowCase;

impl<F: Tested> RowCall<'_, F> {
    /// What is wrong with a call whose shape and parameters are right: a label first, then values row by row.
    pub fn first_bad(&self) -> Option<Error<F>> {
        let classes = self.classes;
        if let To::Labels(labels) = self.to {
            let wrong = |&row: &usize| !self.masked(row) && !(0..classes as i64).contains(&labels[row]);
            if let Some(index) = (0..self.rows()).find(wrong) {
                return Some(Error::Label { index, value: labels[index].into(), classes });
            }
        }
        let of_logarithms = match self.case {
            RowCase::Kl(SoftmaxKl { targets, .. }) | RowCase::Js(JensenShannon { targets, .. }) => {
                targets != TargetKind::Probabilities
            }
            _ => false,
        };
        (0..self.rows()).find_map(|row| {
            let weight = self.weights.map_or(F::ONE, |weights| weights[row]);
            if !weight.finite() {
                return Some(Error::Weight { index: row, value: weight });
            }
            let To::Targets(targets) = self.to else { return None };
            if self.masked(row) || of_logarithms {
                return None;
            }
            let wrong = |&index: &usize| !(targets[index].finite() && targets[index] >= F::ZERO);
            let index = (row * self.stride..row * self.stride + classes).find(wrong)?;
            Some(Error::Target { index, value: targets[index] })
        })
    }

    /// Checks a call that fits, and one that does not: every end refuses that with the same error.
    pub fn check_any(&self, what: &str) -> Option<Worst> {
        let Some(bad) = self.first_bad() else { return Some(self.check(what)) };
        let of_label = matches!(bad, Error::Label { .. });
        for level in Level::available() {
            for end in [End::Sum, End::MeanOver(3), End::Total, End::Check] {
                let mut gradient = vec![F::HALF; self.logits.len()];
                let out = Out { gradient: Some(&mut gradient), ..Out::default() };
                for out in [out, Out::default()] {
                    // By their text, since a NaN is not equal to itself.
                    let found = format!("{:?}", self.run(level, end, out).err());
                    assert_eq!(found, format!("{:?}", Some(bad)), "{what}, {level}, {end:?}");
                }
                let clean = gradient.iter().all(|&slope| slope == F::HALF);
                assert!(clean || !of_label, "{what}, {level}, {end:?}: something is written");
            }
        }
        None
    }
}
