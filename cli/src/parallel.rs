//! Work over a batch on several threads, with the bits of a single call.

use fused_loss::{
    Batch, Cut, Elementwise, Error, Float, Level, RowLoss, RowLosses, RowTargets, Rows, Rowwise, TakesLogits,
    Targets, Total, WeighsClasses,
};
use rayon::{ThreadPoolBuilder, prelude::*};

use crate::losses::{Chosen, explain};

/// More threads than this are not started, whatever is asked for: results are the same, and each takes its memory.
const MOST: usize = 256;

/// Runs what shares its work out in a pool of so many threads. One is the caller's own.
pub fn in_pool<R: Send>(
    threads: usize,
    work: impl FnOnce() -> Result<R, String> + Send,
) -> Result<R, String> {
    if threads == 1 {
        return work();
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads.min(MOST)).build();
    pool.map_err(|error| format!("cannot start {threads} threads: {error}"))?.install(work)
}

/// The slices of a batch.
pub struct Part<'a, F> {
    pub pred: &'a [F],
    pub target: Target<'a, F>,
    pub weights: Option<&'a [F]>,
    pub class_weights: Option<&'a [F]>,
    pub grad: Option<&'a mut [F]>,
    pub each: Option<&'a mut [F]>,
    /// Of each row.
    pub log_sums: Option<&'a mut [F]>,
    pub hits: Option<&'a mut [bool]>,
    /// What the gradient of the sum is multiplied by.
    pub factor: F,
}

/// What predictions are compared with.
#[derive(Clone, Copy)]
pub enum Target<'a, F> {
    Elements(&'a [F]),
    /// Rows of so many classes.
    Rows(usize, &'a [F]),
    Labels(usize, &'a [i64]),
}

impl<'a, F: Float> Target<'a, F> {
    /// How many losses there are.
    pub fn losses(self) -> usize {
        match self {
            Target::Labels(_, labels) => labels.len(),
            Target::Elements(target) | Target::Rows(_, target) => target.len() / self.classes(),
        }
    }

    /// A number for each prediction, where that is what there is.
    pub fn numbers(self) -> &'a [F] {
        match self {
            Target::Labels(..) => &[],
            Target::Elements(target) | Target::Rows(_, target) => target,
        }
    }

    /// How many predictions belong to a loss.
    pub fn classes(self) -> usize {
        match self {
            Target::Elements(_) => 1,
            Target::Rows(classes, _) | Target::Labels(classes, _) => classes,
        }
    }

    /// Rows with these targets.
    pub fn of<L: RowLoss<F>>(self, rows: Rows<'a, L, F>) -> Batch<'a, L, F, RowTargets<'a, F>> {
        match self {
            Target::Elements(target) | Target::Rows(_, target) => rows.targets(target),
            Target::Labels(_, labels) => rows.labels(labels),
        }
    }

    /// How many losses may be given to a thread, or a multiple of it.
    pub fn block(self) -> usize {
        match self {
            Target::Elements(_) => Total::<F>::BLOCK,
            Target::Rows(..) | Target::Labels(..) => Total::<F>::ROWS,
        }
    }

    pub fn split_at(self, losses: usize) -> (Self, Self) {
        match self {
            Target::Elements(target) => {
                let (first, rest) = target.split_at(losses);
                (Target::Elements(first), Target::Elements(rest))
            }
            Target::Rows(classes, target) => {
                let (first, rest) = target.split_at(losses * classes);
                (Target::Rows(classes, first), Target::Rows(classes, rest))
            }
            Target::Labels(classes, labels) => {
                let (first, rest) = labels.split_at(losses);
                (Target::Labels(classes, first), Target::Labels(classes, rest))
            }
        }
    }
}

impl<'a, F: Float> Part<'a, F> {
    /// Nothing but predictions and targets.
    pub fn of(pred: &'a [F], target: Target<'a, F>) -> Self {
        let (weights, class_weights, grad, each, log_sums, hits) = Default::default();
        Part { pred, target, weights, class_weights, grad, each, log_sums, hits, factor: F::ONE }
    }

    /// What it reads.
    pub fn inputs(&self) -> Part<'a, F> {
        let Part { pred, target, weights, class_weights, .. } = *self;
        Part { weights, class_weights, ..Part::of(pred, target) }
    }

    fn run(self, loss: Chosen<F>, level: Level, threads: usize) -> Result<Total<F>, Error<F>> {
        let Part { pred, target, .. } = self;
        match (loss, target) {
            (Chosen::Elements(loss), Target::Elements(target)) => {
                total_of(self.set(loss.batch(pred, target)).level(level), threads)
            }
            (Chosen::Elements(loss), _) => {
                total_of(self.set(target.of(loss.rows(pred, target.classes()))).level(level), threads)
            }
            (Chosen::Rows(loss), _) => {
                total_of(self.set_rows(target.of(loss.rows(pred, target.classes()))).level(level), threads)
            }
        }
    }

    /// What the mean of rows divides by, and how many take part. Of elements, none: their number says it.
    pub fn divisor(self, loss: Chosen<F>) -> Result<Option<Total<F>>, Error<F>> {
        let Part { pred, target, .. } = self;
        match (loss, target) {
            (_, Target::Elements(_)) => Ok(None),
            (Chosen::Elements(loss), _) => {
                self.set(target.of(loss.rows(pred, target.classes()))).divisor().map(Some)
            }
            (Chosen::Rows(loss), _) => {
                self.set_rows(target.of(loss.rows(pred, target.classes()))).divisor().map(Some)
            }
        }
    }

    /// The rows with their options.
    fn set_rows<L>(
        mut self,
        mut batch: Batch<'a, L, F, RowTargets<'a, F>>,
    ) -> Batch<'a, L, F, RowTargets<'a, F>>
    where
        L: WeighsClasses<F> + TakesLogits<F>,
    {
        if let Some(weights) = self.class_weights {
            batch = batch.class_weights(weights);
        }
        if let Some(log_sums) = self.log_sums.take() {
            batch = batch.log_sum_exp(log_sums);
        }
        if let Some(hits) = self.hits.take() {
            batch = batch.hits(hits);
        }
        self.set(batch)
    }

    /// The batch with its options.
    fn set<L: Copy, T: Targets<L, F>>(self, batch: Batch<'a, L, F, T>) -> Batch<'a, L, F, T> {
        let mut batch = batch.scale(self.factor);
        if let Some(weights) = self.weights {
            batch = batch.weights(weights);
        }
        if let Some(grad) = self.grad {
            batch = batch.gradient(grad);
        }
        if let Some(each) = self.each {
            batch = batch.losses(each);
        }
        batch
    }
}

/// The total of all losses, on so many threads: those of the pool that this is called in.
pub fn total<F: Float>(
    loss: Chosen<F>,
    batch: Part<'_, F>,
    level: Level,
    threads: usize,
) -> Result<Total<F>, String> {
    batch.run(loss, level, threads).map_err(explain)
}

fn total_of<L, F, T>(batch: Batch<'_, L, F, T>, threads: usize) -> Result<Total<F>, Error<F>>
where
    L: Copy + Send,
    F: Float,
    T: Cut<L, F> + Send,
{
    if threads > 1 { batch.parallel().total() } else { batch.total() }
}

/// What threads can share out.
pub trait Share: Sized + Send {
    /// How many there are.
    fn len(&self) -> usize;
    /// Takes the first ones off.
    fn split_off(&mut self, count: usize) -> Self;
}

/// Gives whole blocks to each thread of the pool that this is called in, and merges what they come to in order: of
/// several errors, that of the first part is the result.
pub fn spread<S: Share, T: Send>(
    mut all: S,
    block: usize,
    threads: usize,
    work: impl Fn(S) -> Result<T, String> + Sync,
    merge: impl Fn(T, T) -> T,
) -> Result<T, String> {
    let share = all.len().div_ceil(block).div_ceil(threads).max(1) * block;
    if share >= all.len() {
        return work(all);
    }
    let (first, mut others) = (all.split_off(share), Vec::new());
    while all.len() > 0 {
        others.push(all.split_off(share.min(all.len())));
    }
    let (first, others): (_, Vec<_>) =
        rayon::join(|| work(first), || others.into_par_iter().map(&work).collect());
    others.into_iter().try_fold(first?, |whole, other| Ok(merge(whole, other?)))
}
