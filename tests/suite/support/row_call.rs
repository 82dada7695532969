//! A call over rows, its loss and its end chosen at run time.

use fused_loss::{
    Batch, Error, Float, Level, RowLoss, RowLosses, RowTargets, Rows, TakesLogits, Total, WeighsClasses,
};

use super::row_reference::RowCase;

/// What rows are compared with.
#[derive(Clone, Copy, Debug)]
pub enum To<'a, F> {
    Targets(&'a [F]),
    Labels(&'a [i64]),
}

/// The data of a call.
#[derive(Clone, Copy, Debug)]
pub struct RowCall<'a, F> {
    pub case: RowCase<F>,
    pub logits: &'a [F],
    pub classes: usize,
    pub stride: usize,
    pub to: To<'a, F>,
    pub weights: Option<&'a [F]>,
    pub class_weights: Option<&'a [F]>,
    pub scale: F,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Sum,
    Mean,
    MeanOver(usize),
    WeightedMean,
    Total,
    Divisor,
    Check,
}

/// What a call writes to.
#[derive(Default)]
pub struct Out<'a, F> {
    pub gradient: Option<&'a mut [F]>,
    pub add: bool,
    /// Written over, in place of the gradient: it holds the logits.
    pub in_place: Option<&'a mut [F]>,
    pub losses: Option<&'a mut [F]>,
    pub log_sums: Option<&'a mut [F]>,
    pub hits: Option<&'a mut [bool]>,
}

/// What comes of a call: a number, or a total.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<F: Float> {
    Value(F),
    Total(Total<F>),
    Right,
}

impl<F: Float> Answer<F> {
    pub fn value(self) -> F {
        if let Answer::Value(value) = self { value } else { panic!("{self:?} is no number") }
    }
    pub fn total(self) -> Total<F> {
        if let Answer::Total(total) = self { total } else { panic!("{self:?} is no total") }
    }
}

type RowBatch<'a, L, F> = Batch<'a, L, F, RowTargets<'a, F>>;

impl<'a, F: Float> RowCall<'a, F> {
    pub fn rows(&self) -> usize {
        match self.to {
            To::Targets(_) => (self.logits.len() + self.stride - self.classes) / self.stride,
            To::Labels(labels) => labels.len(),
        }
    }

    pub fn run(&self, level: Level, end: End, out: Out<'_, F>) -> Result<Answer<F>, Error<F>> {
        let call = Running { call: *self, level, end };
        match self.case {
            RowCase::CrossEntropy(loss) => call.start(loss, out, |call, batch, out| {
                call.finish(call.weigh(see(batch, out.log_sums, out.hits)), out.losses)
            }),
            RowCase::Nll(loss) => {
                call.start(loss, out, |call, batch, out| call.finish(call.weigh(batch), out.losses))
            }
            RowCase::Kl(loss) => call.start(loss, out, |call, batch, out| {
                call.finish(see(batch, out.log_sums, out.hits), out.losses)
            }),
            RowCase::Js(loss) => call.start(loss, out, |call, batch, out| {
                call.finish(see(batch, out.log_sums, out.hits), out.losses)
            }),
        }
    }

    /// Whether the loss has an end or an option: class weights, and what is known of logits.
    pub fn weighs_classes(&self) -> bool {
        matches!(self.case, RowCase::CrossEntropy(_) | RowCase::Nll(_))
    }
    pub fn takes_logits(&self) -> bool {
        !matches!(self.case, RowCase::Nll(_))
    }
}

fn see<'b, L: TakesLogits<F>, F: Float>(
    mut batch: RowBatch<'b, L, F>,
    log_sums: Option<&'b mut [F]>,
    hits: Option<&'b mut [bool]>,
) -> RowBatch<'b, L, F> {
    if let Some(log_sums) = log_sums {
        batch = batch.log_sum_exp(log_sums);
    }
    match hits {
        Some(hits) => batch.hits(hits),
        None => batch,
    }
}

struct Running<'a, F> {
    call: RowCall<'a, F>,
    level: Level,
    end: End,
}

impl<'a, F: Float> Running<'a, F> {
    fn start<'b, L: RowLoss<F>, T>(
        &self,
        loss: L,
        mut out: Out<'b, F>,
        then: impl FnOnce(&Self, RowBatch<'b, L, F>, Out<'b, F>) -> T,
    ) -> T
    where
        'a: 'b,
    {
        let RowCall { logits, classes, stride, to, scale, .. } = self.call;
        let rows: Rows<'b, L, F> = match out.in_place.take() {
            Some(place) => loss.rows_in_place(place, classes),
            None => loss.rows(logits, classes),
        };
        let batch = match to {
            To::Targets(targets) => rows.stride(stride).targets(targets),
            To::Labels(labels) => rows.stride(stride).labels(labels),
        };
        let batch = match out.gradient.take() {
            Some(gradient) if out.add => batch.add_gradient(gradient),
            Some(gradient) => batch.gradient(gradient),
            None => batch,
        };
        then(self, batch.level(self.level).scale(scale), out)
    }

    fn weigh<'b, L: WeighsClasses<F>>(&self, batch: RowBatch<'b, L, F>) -> RowBatch<'b, L, F>
    where
        'a: 'b,
    {
        match self.call.class_weights {
            Some(weights) => batch.class_weights(weights),
            None => batch,
        }
    }

    fn finish<'b, L: RowLoss<F>>(
        &self,
        mut batch: RowBatch<'b, L, F>,
        losses: Option<&'b mut [F]>,
    ) -> Result<Answer<F>, Error<F>>
    where
        'a: 'b,
    {
        if let Some(losses) = losses {
            batch = batch.losses(losses);
        }
        if let Some(weights) = self.call.weights {
            batch = batch.weights(weights);
        }
        Ok(match self.end {
            End::Sum => Answer::Value(batch.sum()?),
            End::Mean => Answer::Value(batch.mean()?),
            End::MeanOver(count) => Answer::Value(batch.mean_over(count)?),
            End::WeightedMean => Answer::Value(batch.weighted_mean()?),
            End::Total => Answer::Total(batch.total()?),
            End::Divisor => Answer::Total(batch.divisor()?),
            End::Check => {
                batch.check()?;
                Answer::Right
            }
        })
    }
}
