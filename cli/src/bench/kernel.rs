//! What is measured: a loss as callers of the crate run it, or the plain loop.

use fused_loss::{
    AnyLoss, AnyRowLoss, Batch, Cut, Elements, Elementwise, Float, Level, Loss, RowLoss, RowLosses,
    RowTargets, Rows, Rowwise,
};

use super::data::Arrays;
use super::exact::ExactSum;
use super::plain::Plain;
use super::reference::{self, Libm};
use super::slices::Slices;
use super::{REFERENCE, Size, Sum, row_reference};
use crate::losses::{Chosen, explain};
use crate::parallel::{self, Part, Share, Target, spread};

#[derive(Clone, Copy, PartialEq)]
pub enum Engine {
    Level(Level),
    /// A plain loop over libm.
    Reference,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Engine::Level(level) => level.name(),
            Engine::Reference => REFERENCE,
        }
    }
}

pub struct Kernel<F: Libm> {
    pub name: &'static str,
    pub loss: Chosen<F>,
    pub size: Size,
    pub engine: Engine,
    pub sum: Sum,
    pub threads: usize,
}

#[derive(Clone, Copy)]
enum End {
    Sum,
    Mean,
}

impl<F: Libm> Kernel<F> {
    /// What it lacks to run, if anything.
    pub fn missing(&self) -> Option<String> {
        let target = match self.size {
            Size::Elements { .. } => Target::Elements(&[]),
            Size::Rows { classes, .. } => Target::Labels(classes, &[]),
        };
        let nothing = Slices { pred: &[], target, out: &mut [] };
        let name = self.name;
        match (self.engine, self.size, self.sum) {
            (Engine::Reference, ..) if self.reference(nothing, F::ONE, |_| ()).is_none() => {
                Some(format!("the loss {name} has no reference"))
            }
            (Engine::Level(_), Size::Rows { .. }, Sum::Plain) => {
                Some(format!("--sum plain is for losses of elements, and the loss {name} has rows"))
            }
            _ => None,
        }
    }

    /// One call: the mean, and the gradient of the mean where there is room for it.
    pub fn call(&self, slices: Slices<'_, F>) -> Result<F, String> {
        match self.engine {
            Engine::Level(level) => self.run(slices, level, End::Mean),
            Engine::Reference => Ok(self.plain_sum(slices)? / self.count()),
        }
    }

    /// How many losses there are.
    fn count(&self) -> F {
        F::from_count(match self.size {
            Size::Elements { len } => len as u64,
            Size::Rows { rows, .. } => rows as u64,
        })
    }

    fn run(&self, slices: Slices<'_, F>, level: Level, end: End) -> Result<F, String> {
        match (self.loss, self.size, self.sum) {
            (Chosen::Rows(loss), ..) => self.end(loss, slices, level, end),
            (Chosen::Elements(loss), Size::Rows { .. }, _) => self.end(OfRows(loss), slices, level, end),
            (Chosen::Elements(loss), _, Sum::Compensated) => self.end(OfElements(loss), slices, level, end),
            (Chosen::Elements(loss), _, Sum::Plain) => self.end(OfElements(Plain(loss)), slices, level, end),
        }
    }

    fn end<C: Calls<F>>(&self, calls: C, slices: Slices<'_, F>, level: Level, end: End) -> Result<F, String> {
        let batch = calls.batch(slices).level(level);
        let value = match (end, self.threads) {
            (End::Sum, 1) => batch.sum(),
            (End::Mean, 1) => batch.mean(),
            (End::Sum, _) => batch.parallel().sum(),
            (End::Mean, _) => batch.parallel().mean(),
        };
        value.map_err(explain)
    }

    fn reference(&self, slices: Slices<'_, F>, factor: F, add: impl FnMut(F)) -> Option<()> {
        match (self.loss, self.size) {
            (Chosen::Elements(loss), Size::Elements { .. }) => reference::pass(loss, slices, factor, add),
            (loss, _) => row_reference::pass(loss, slices, factor, add),
        }
    }

    fn plain_sum(&self, slices: Slices<'_, F>) -> Result<F, String> {
        let (factor, block) = (F::ONE / self.count(), slices.target.block());
        let part = |part: Slices<'_, F>| {
            let mut sum = F::ZERO;
            self.reference(part, factor, |value| sum = sum + value);
            Ok(sum)
        };
        spread(slices, block, self.threads, part, |one, other| one + other)
    }

    /// How far the sum is off the exact sum of what it adds up, in ULP.
    pub fn total_error(&self, arrays: &Arrays<F>) -> Result<Option<f64>, String> {
        let (pred, target) = arrays.inputs();
        let slices = || Slices { pred, target, out: &mut [] };
        let mut exact = ExactSum::default();
        let found = match self.engine {
            Engine::Level(level) => {
                // Block by block, for the losses of all elements would need one more large array.
                let mut room = vec![F::ZERO; target.block().min(target.losses())];
                let mut left = slices();
                while left.len() > 0 {
                    let Slices { pred, target, .. } = left.split_off(room.len().min(left.len()));
                    let each = &mut room[..target.losses()];
                    let part = Part { each: Some(each), ..Part::of(pred, target) };
                    parallel::total(self.loss, part, level, 1)?;
                    room[..target.losses()].iter().for_each(|value| exact.add(value.to_f64()));
                }
                self.run(slices(), level, End::Sum)?
            }
            Engine::Reference => {
                self.reference(slices(), F::ONE, |value| exact.add(value.to_f64()));
                self.plain_sum(slices())?
            }
        };
        Ok(exact.error_ulp(found))
    }
}

/// A loss that can be called on slices.
trait Calls<F: Float>: Copy {
    type Loss: Copy + Send;
    type Targets<'a>: Cut<Self::Loss, F> + Send;

    fn batch<'a>(self, slices: Slices<'a, F>) -> Batch<'a, Self::Loss, F, Self::Targets<'a>>;
}

#[derive(Clone, Copy)]
struct OfElements<L>(L);

impl<F: Float, L: Loss<F> + Send> Calls<F> for OfElements<L> {
    type Loss = L;
    type Targets<'a> = &'a [F];

    fn batch<'a>(self, slices: Slices<'a, F>) -> Batch<'a, L, F> {
        let Slices { pred, target, out } = slices;
        let target = target.numbers();
        match (pred.is_empty(), out.is_empty()) {
            (_, true) => self.0.batch(pred, target),
            (true, false) => self.0.batch_in_place(out, target),
            (false, false) => self.0.batch(pred, target).gradient(out),
        }
    }
}

/// An elementwise loss over rows of classes.
#[derive(Clone, Copy)]
struct OfRows<L>(L);

impl<F: Float> Calls<F> for OfRows<AnyLoss<F>> {
    type Loss = Elements<AnyLoss<F>>;
    type Targets<'a> = RowTargets<'a, F>;

    fn batch<'a>(self, slices: Slices<'a, F>) -> Batch<'a, Self::Loss, F, RowTargets<'a, F>> {
        let OfRows(loss) = self;
        rows(
            slices,
            |pred, classes| loss.rows(pred, classes),
            |pred, classes| loss.rows_in_place(pred, classes),
        )
    }
}

impl<F: Float> Calls<F> for AnyRowLoss<F> {
    type Loss = Self;
    type Targets<'a> = RowTargets<'a, F>;

    fn batch<'a>(self, slices: Slices<'a, F>) -> Batch<'a, Self, F, RowTargets<'a, F>> {
        rows(
            slices,
            |pred, classes| self.rows(pred, classes),
            |pred, classes| self.rows_in_place(pred, classes),
        )
    }
}

fn rows<'a, F: Float, L: RowLoss<F>>(
    slices: Slices<'a, F>,
    apart: impl Fn(&'a [F], usize) -> Rows<'a, L, F>,
    in_place: impl Fn(&'a mut [F], usize) -> Rows<'a, L, F>,
) -> Batch<'a, L, F, RowTargets<'a, F>> {
    let Slices { pred, target, out } = slices;
    let classes = target.classes();
    match (pred.is_empty(), out.is_empty()) {
        (_, true) => target.of(apart(pred, classes)),
        (true, false) => target.of(in_place(out, classes)),
        (false, false) => target.of(apart(pred, classes)).gradient(out),
    }
}
