use super::*;

/// Negative log-likelihood of log-probabilities x and a label k, or target probabilities y:
///
/// ```text
/// loss = -x_k        slope = -[j = k]
/// loss = -sum y x    slope = -y
/// ```
///
/// PyTorch's `nll_loss`: with class weights w, a row's loss is multiplied by w_k, and the mean divides by the sum of
/// those of the rows that take part. Logarithms: any; -inf at the label gives inf, NaN there NaN, and others are not
/// looked at. Within 1 ULP of the given numbers.
///
/// ```
/// use fused_loss::{NegativeLogLikelihood, RowLosses};
/// let mut grad = [9.0_f32; 4];
/// let rows = NegativeLogLikelihood::default().rows(&[-0.5_f32, -1.0, -2.0, -0.25], 2);
/// assert_eq!(rows.labels(&[0_i64, -100]).gradient(&mut grad).mean(), Ok(0.5));
/// assert_eq!(grad, [-1.0, 0.0, 0.0, 0.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NegativeLogLikelihood {
    /// Rows of this label are left out; PyTorch's is -100. With `None` every label must be a class.
    pub ignore_index: Option<i64>,
}

named!(NegativeLogLikelihood = "nll" of rows: "-x_k, or -sum y x", ignore_index: IGNORE_INDEX);

impl<F: Float> RowLoss<F> for NegativeLogLikelihood {
    fn check(self) -> Result<(), Error<F>> {
        Ok(())
    }

    fn ignore_index(self) -> Option<i64> {
        self.ignore_index
    }

    fn weighs_classes(self) -> bool {
        true
    }

    fn bad(self, _: F, target: F, index: usize) -> Option<Error<F>> {
        bad_target(Domain::NOT_NEGATIVE, target, index)
    }

    fn run(
        self,
        mut job: Job<'_, F, RowTargets<'_, F>>,
        level: Level,
        total: Option<&mut Exact<F>>,
    ) -> Result<HighLow<F>, Error<F>> {
        let rows = job.target.rows(job.pred.len().max(job.grad.len()));
        sum_rows(rows, level, total, &mut |first, losses| {
            for (row, loss) in (first..).zip(losses.iter_mut()) {
                *loss = self.row(&mut job, row)?;
            }
            if let Some(each) = job.each.get_mut(first..first + losses.len()) {
                each.copy_from_slice(losses);
            }
            Ok(())
        })
    }
}

impl NegativeLogLikelihood {
    fn row<F: Float>(self, job: &mut Job<'_, F, RowTargets<'_, F>>, row: usize) -> Result<F, Error<F>> {
        let target = &job.target;
        let weight = job.weights.get(row).copied().unwrap_or(F::ONE);
        if !weight.finite() {
            return Err(Error::Weight { index: row, value: weight });
        }
        let elements = row * target.stride..row * target.stride + target.classes;
        let masked = weight == F::ZERO || target.ignored(row, self.ignore_index);
        let factor = weight * job.lift * job.factor;
        let mut sum = HighLow { high: F::ZERO, low: F::ZERO };
        let one = target.label(row);
        let classes = match one {
            Some(class) if !masked => class..class + 1,
            _ if masked => 0..0,
            _ => 0..target.classes,
        };
        let class_weight = |class| match target.class_weights {
            Some(weights) => weights.get(class).copied().unwrap_or(F::ONE),
            None => F::ONE,
        };
        for class in classes.clone() {
            let index = elements.start + class;
            let y = target.target(row, class);
            if let Some(bad) = RowLoss::<F>::bad(self, F::ZERO, y, index) {
                return Err(bad);
            }
            let y = y * class_weight(class);
            let logits = if job.pred.is_empty() { &*job.grad } else { job.pred };
            if y != F::ZERO {
                sum = sum.plus(-(y * logits.get(index).copied().unwrap_or(F::ZERO)));
            }
        }
        for (class, grad) in job.grad.get_mut(elements).unwrap_or_default().iter_mut().enumerate() {
            let own = if classes.contains(&class) { target.target(row, class) } else { F::ZERO };
            let own = own * class_weight(class);
            let slope = if own == F::ZERO { F::ZERO } else { -own * factor };
            *grad = if job.add { *grad + slope } else { slope };
        }
        Ok(if masked { F::ZERO } else { sum.high * weight })
    }
}
