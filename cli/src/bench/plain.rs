//! `--sum plain`: a loss whose kernel adds up without compensation, to see what that costs.

use fused_loss::{Domain, Error, Float, Lanes, Loss, Terms, Visitor};

#[derive(Clone, Copy)]
pub struct Plain<L>(pub L);

impl<F: Float, L: Loss<F>> Loss<F> for Plain<L> {
    const TERMS: Terms = Terms::Plain;
    const COSTLY: bool = L::COSTLY;

    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        self.0.at(pred, target)
    }
    #[inline]
    fn long(self) -> bool {
        self.0.long()
    }
    fn definition(self, pred: f64, target: f64) -> f64 {
        self.0.definition(pred, target)
    }
    #[inline(always)]
    fn pred_domain(self) -> Domain<F> {
        self.0.pred_domain()
    }
    #[inline(always)]
    fn target_domain(self) -> Domain<F> {
        self.0.target_domain()
    }
    fn check(self) -> Result<(), Error<F>> {
        self.0.check()
    }
    fn visit<T: Visitor<F>>(self, visitor: T) -> T::Output {
        self.0.visit(Inside(visitor))
    }
}

/// Hands the loss that an enum holds to a visitor, made plain.
struct Inside<T>(T);

impl<F: Float, T: Visitor<F>> Visitor<F> for Inside<T> {
    type Output = T::Output;
    #[inline]
    fn visit<L: Loss<F>>(self, loss: L) -> Self::Output {
        self.0.visit(Plain(loss))
    }
}
