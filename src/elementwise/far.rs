//! Gradients that are longer than the cache go past it: a store through the cache would read each line first.
//!
//! Such stores write whole registers to addresses that are multiples of their size, and elements keep their lanes
//! whatever the address of the gradient. So what is written is the end of one register and the beginning of the next,
//! from one block to the next too. Prediction and target are fetched ahead: the CPU's own prefetchers stop at the end of
//! a page. In place, that is all.

use super::aside;
use super::whole::PlainRows;
use crate::dispatch::{Kernel, Level};
use crate::float::Float;
use crate::job::Job;
use crate::lanes::Lanes;
use crate::loss::{Loss, Visitor};
use crate::sum::{Aligned, HighLow, LaneSum, align_frame, fold, store_rows};

/// Gradients of so many bytes and more are longer than the cache.
const BYTES: usize = 16 << 20;
/// Bytes of the longest register.
const REGISTER: usize = 64;

impl<F: Float, T> Job<'_, F, T> {
    /// Whether its gradient is longer than the cache.
    pub fn long(&self) -> bool {
        size_of_val(self.grad) >= BYTES
    }
}

/// The last elements of a block's gradient, which are written with the first ones of the next.
#[derive(Default)]
pub struct Carry<F> {
    elements: [F; REGISTER / size_of::<f32>()],
    count: usize,
}

impl<F: Float> Carry<F> {
    /// So many elements before its block are in a kernel's gradient.
    pub const MARGIN: usize = REGISTER / size_of::<F>();

    /// Writes what there is to the end of a gradient, through the cache.
    pub fn flush(&mut self, grad: &mut [F]) {
        // Elsewhere nothing is ever carried.
        if cfg!(x86_dispatch) && self.count > 0 {
            let end = grad.len() - self.count;
            grad[end..].copy_from_slice(&self.elements[..self.count]);
            self.count = 0;
        }
    }
}

/// Enters the kernel once the loss is known.
pub struct RunFar<'j, 'a, F> {
    /// Whole rows with none of the rarer options. Its gradient, if it is not in place, has a margin before it.
    pub job: &'j mut Job<'a, F>,
    pub level: Level,
    pub carry: &'j mut Carry<F>,
    /// Where the kernel says that it met a bad value.
    pub bad: &'j mut Option<usize>,
}

impl<F: Float> Visitor<F> for RunFar<'_, '_, F> {
    type Output = HighLow<F>;
    #[inline]
    fn visit<L: Loss<F>>(self, loss: L) -> HighLow<F> {
        let RunFar { job, level, carry, bad } = self;
        level.run(Block { job, loss, carry, bad })
    }
}

/// A kernel beside that of other blocks: a branch a row, or a second loop beside the first, costs short batches some
/// per cent.
struct Block<'j, 'a, F, L> {
    job: &'j mut Job<'a, F>,
    loss: L,
    carry: &'j mut Carry<F>,
    bad: &'j mut Option<usize>,
}

impl<F: Float, L: Loss<F>> Kernel<F> for Block<'_, '_, F, L> {
    type Output = HighLow<F>;
    type Home = L;

    #[inline(always)]
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> HighLow<F> {
        align_frame();
        let Block { job, loss, carry, bad } = self;
        // Of registers that cannot stream, none is sent here.
        let sum = if V::STREAMS { job.far_rows::<L, V, WIDTH, PARTS>(loss, zero, carry) } else { Err(0) };
        aside(sum, bad)
    }
}

impl<F: Float> Job<'_, F> {
    #[inline(always)]
    fn far_rows<L, V, const WIDTH: usize, const PARTS: usize>(
        &mut self,
        loss: L,
        zero: V,
        carry: &mut Carry<F>,
    ) -> Result<HighLow<F>, usize>
    where
        L: Loss<F>,
        V: Lanes<Elem = F>,
    {
        let mut sums = [LaneSum::new(zero); PARTS];
        let in_place = self.pred.is_empty();
        let (targets, _) = self.target.as_chunks::<WIDTH>();
        let (preds, _) = if in_place { self.target } else { self.pred }.as_chunks::<WIDTH>();
        let mut rows = PlainRows { preds, targets, grads: &mut [], in_place, factor: self.factor, done: 0 };
        // In place the lines of a gradient have been read anyway, and nothing is won by going past the cache.
        if in_place {
            (rows.grads, _) = self.grad.as_chunks_mut::<WIDTH>();
            rows.passes::<L, V, PARTS, true, true, false>(loss, zero, &mut sums, &mut Stage::none(zero))?;
        } else {
            let mut stage = Stage::new(self.grad, carry, zero);
            rows.passes::<L, V, PARTS, true, true, true>(loss, zero, &mut sums, &mut stage)?;
            stage.leave(carry);
        }
        let (mut sum_row, mut error_row) = (Aligned([F::ZERO; WIDTH]), Aligned([F::ZERO; WIDTH]));
        let (Aligned(sum_row), Aligned(error_row)) = (&mut sum_row, &mut error_row);
        store_rows(sums, sum_row, error_row);
        Ok(fold(sum_row, Some(error_row), self.target.len()))
    }
}

/// Bytes of an array that are fetched while as many before them are worked on.
const AHEAD: usize = 32 << 10;

/// Fetches a row's share of what lies ahead of it: of the first half and of the second in turn, for a CPU that reads along
/// in two places reads faster than in one.
#[inline(always)]
pub fn fetch_ahead<V: Lanes, const WIDTH: usize>(zero: V, row: usize, from: *const V::Elem) {
    let half = WIDTH * size_of::<V::Elem>() / 2;
    let back = row * half % (AHEAD / 2);
    for line in (0..half).step_by(REGISTER) {
        for place in [AHEAD, AHEAD + AHEAD / 2] {
            zero.single().prefetch(from.wrapping_byte_add(place - back + line));
        }
    }
}

/// Takes slopes to a gradient, row by row.
pub struct Stage<'a, V: Lanes, const WIDTH: usize> {
    /// The gradient, so much further on that registers are aligned, and a register less.
    lines: &'a mut [[V::Elem; WIDTH]],
    /// So many elements further on.
    head: usize,
    /// The last register of the row before, turned by `head`.
    last: V::Single,
}

impl<'a, V: Lanes, const WIDTH: usize> Stage<'a, V, WIDTH> {
    /// A stage for nothing.
    #[inline(always)]
    pub fn none(zero: V) -> Self {
        Stage { lines: &mut [], head: 0, last: zero.single() }
    }

    #[inline(always)]
    fn new(grad: &'a mut [V::Elem], carry: &Carry<V::Elem>, zero: V) -> Self {
        let margin = Carry::<V::Elem>::MARGIN;
        let head = grad.as_ptr().align_offset(size_of::<V::Single>()) % V::Single::LANES;
        let from = margin - V::Single::LANES + head;
        // The block before may have been written by another kernel.
        let last = if carry.count > 0 { &carry.elements[..carry.count] } else { &grad[from..margin] };
        let last = zero.single().load_first(last);
        let (lines, _) = grad[from..].as_chunks_mut();
        Stage { lines, head, last }
    }

    /// Takes a row, and writes all of it but the end of its last register.
    #[inline(always)]
    pub fn put(&mut self, row: usize, slope: V) {
        let (lines, last) = slope.behind(self.last, self.head);
        self.last = last;
        lines.stream(&mut self.lines[row]);
    }

    /// Leaves that end to the next block.
    #[inline(always)]
    fn leave(self, carry: &mut Carry<V::Elem>) {
        carry.count = V::Single::LANES - self.head;
        self.last.store_first(&mut carry.elements[..carry.count]);
    }
}
