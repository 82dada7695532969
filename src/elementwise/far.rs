//! Gradients that are longer than the cache go past it: a store through the cache would read each line first.
//!
//! Such stores write whole lines, and elements keep their lanes whatever the address of the gradient. So slopes are put
//! into a ring of rows in the first cache, and a few rows later, when the CPU has really written them there, lines are
//! read from it. Prediction and target are fetched ahead: the CPU's own prefetchers stop at the end of a page. In place,
//! that is all.

use crate::float::Float;
use crate::job::Job;
use crate::lanes::Lanes;

/// Gradients of so many bytes and more are longer than the cache.
const BYTES: usize = 16 << 20;

impl<F: Float, T> Job<'_, F, T> {
    /// Whether its gradient is longer than the cache.
    pub fn long(&self) -> bool {
        size_of_val(self.grad) >= BYTES
    }
}

/// A line of the cache.
const LINE: usize = 64;
/// Rows of the ring.
pub const SLOTS: usize = 16;
/// So many rows after a row, its lines are read.
const LAG: usize = 8;

/// Rows of slopes on their way. The first one stands once more behind the last one, for lines that have parts of both.
pub type Ring<F, const WIDTH: usize> = [[F; WIDTH]; SLOTS + 1];

/// Takes slopes to a gradient. It is only references, so that a loop has them in registers.
pub struct Stage<'a, F, const WIDTH: usize> {
    grads: &'a mut [[F; WIDTH]],
    ring: &'a mut Ring<F, WIDTH>,
    /// So many elements lie before the first whole line.
    head: usize,
}

impl<'a, F: Float, const WIDTH: usize> Stage<'a, F, WIDTH> {
    /// So many elements are fetched ahead.
    pub const AHEAD: usize = 4096 / size_of::<F>();

    #[inline(always)]
    pub fn new(grads: &'a mut [[F; WIDTH]], ring: &'a mut Ring<F, WIDTH>) -> Self {
        let head = grads.as_ptr().cast::<F>().align_offset(LINE).min(WIDTH);
        Stage { grads, ring, head }
    }

    /// The same for a while.
    #[inline(always)]
    pub fn reborrow(&mut self) -> Stage<'_, F, WIDTH> {
        Stage { grads: self.grads, ring: self.ring, head: self.head }
    }

    /// Takes a row, which is one register, and writes the lines of an earlier one.
    #[inline(always)]
    pub fn put<V: Lanes<Elem = F>>(&mut self, zero: V, row: usize, slope: V) {
        slope.store(&mut self.ring[row % SLOTS]);
        if row.is_multiple_of(SLOTS) {
            slope.store(&mut self.ring[SLOTS]);
            if row == 0 {
                self.grads[0][..self.head].copy_from_slice(&self.ring[0][..self.head]);
            }
        }
        if let Some(row) = row.checked_sub(LAG) {
            let at = row * WIDTH + self.head;
            let lines = zero.load(&self.ring.as_flattened()[at % (SLOTS * WIDTH)..]);
            lines.stream(&mut self.grads.as_flattened_mut()[at..]);
        }
    }

    /// Writes what is left; what fills no register, through the cache.
    #[inline(always)]
    pub fn finish<V: Lanes<Elem = F>>(self, zero: V) {
        let (rows, grads) = (self.grads.len(), self.grads.as_flattened_mut());
        let mut from = (rows.saturating_sub(LAG) * WIDTH + self.head).min(grads.len());
        while let Some(lines) = grads.get_mut(from..from + V::LANES) {
            zero.load(&self.ring.as_flattened()[from % (SLOTS * WIDTH)..]).stream(lines);
            from += V::LANES;
        }
        for (at, grad) in (from..).zip(&mut grads[from..]) {
            *grad = self.ring.as_flattened()[at % (SLOTS * WIDTH)];
        }
    }
}
