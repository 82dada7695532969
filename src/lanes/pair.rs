//! Two registers as one, their instructions interleaved, which hides the latency of long chains.

use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{Lanes, Mask, sealed::Register};

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// The lanes of the first, then those of the second. Also the mask of two masks.
#[derive(Clone, Copy)]
pub struct Pair<T>(T, T);

impl<V> Pair<V> {
    #[inline(always)]
    pub fn halves(self) -> (V, V) {
        (self.0, self.1)
    }
}

impl<V: Copy> Pair<V> {
    #[inline(always)]
    pub fn both(one: V) -> Self {
        Pair(one, one)
    }
}

impl<V: Lanes> Register for Pair<V> {
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller promises the instructions of V, and these are two of V.
        unsafe { Pair(V::zero(), V::zero()) }
    }
}

/// Operators that act on each half.
macro_rules! halves {
    ($bound:ident: $($trait:ident $op:ident),*) => {$(
        impl<T: $bound> $trait for Pair<T> {
            type Output = Self;
            #[inline(always)]
            fn $op(self, other: Self) -> Self {
                Pair(self.0.$op(other.0), self.1.$op(other.1))
            }
        }
    )*};
}
halves!(Lanes: Add add, Sub sub, Mul mul, Div div);

impl<V: Lanes> Neg for Pair<V> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Pair(-self.0, -self.1)
    }
}

impl<V: Lanes> Lanes for Pair<V> {
    type Elem = V::Elem;
    type Mask = Pair<V::Mask>;
    type Single = V::Single;
    const LANES: usize = 2 * V::LANES;
    const FUSED: bool = V::FUSED;

    #[inline(always)]
    fn single(self) -> V::Single {
        self.0.single()
    }
    #[inline(always)]
    fn splat(self, x: V::Elem) -> Self {
        Pair(self.0.splat(x), self.1.splat(x))
    }
    #[inline(always)]
    fn load(self, from: &[V::Elem]) -> Self {
        let (first, second) = from.split_at(V::LANES);
        Pair(self.0.load(first), self.1.load(second))
    }
    #[inline(always)]
    fn store(self, into: &mut [V::Elem]) {
        let (first, second) = into.split_at_mut(V::LANES);
        self.0.store(first);
        self.1.store(second);
    }
    #[inline(always)]
    fn first(self, count: usize) -> Self::Mask {
        Pair(self.0.first(count), self.1.first(count.saturating_sub(V::LANES)))
    }
    #[inline(always)]
    fn load_first(self, from: &[V::Elem]) -> Self {
        let (first, second) = from.split_at(from.len().min(V::LANES));
        Pair(self.0.load_first(first), self.1.load_first(second))
    }
    #[inline(always)]
    fn store_first(self, into: &mut [V::Elem]) {
        let (first, second) = into.split_at_mut(into.len().min(V::LANES));
        self.0.store_first(first);
        self.1.store_first(second);
    }
    #[inline(always)]
    fn load_columns(self, from: &[V::Elem], stride: usize) -> [Self; 4] {
        let (first, second) =
            (self.0.load_columns(from, stride), self.1.load_columns(&from[V::LANES * stride..], stride));
        [
            Pair(first[0], second[0]),
            Pair(first[1], second[1]),
            Pair(first[2], second[2]),
            Pair(first[3], second[3]),
        ]
    }
    #[inline(always)]
    fn store_columns([a, b, c, d]: [Self; 4], into: &mut [V::Elem], stride: usize) {
        V::store_columns([a.0, b.0, c.0, d.0], into, stride);
        V::store_columns([a.1, b.1, c.1, d.1], &mut into[V::LANES * stride..], stride);
    }
    const CHOOSES: bool = V::CHOOSES;
    const STREAMS: bool = V::STREAMS;
    #[inline(always)]
    fn stream(self, into: &mut [V::Elem]) {
        let (first, second) = into.split_at_mut(V::LANES);
        self.0.stream(first);
        self.1.stream(second);
    }
    #[inline(always)]
    fn behind(self, last: V::Single, by: usize) -> (Self, V::Single) {
        let (first, last) = self.0.behind(last, by);
        let (second, last) = self.1.behind(last, by);
        (Pair(first, second), last)
    }
    const SCALES: bool = V::SCALES;
    #[inline(always)]
    fn times_power(self, n: Self) -> Self {
        Pair(self.0.times_power(n.0), self.1.times_power(n.1))
    }
    #[inline(always)]
    fn split<const HALVES: bool>(self) -> Option<(Self, Self)> {
        let (first, second) = (self.0.split::<HALVES>()?, self.1.split::<HALVES>()?);
        Some((Pair(first.0, second.0), Pair(first.1, second.1)))
    }
    #[inline(always)]
    fn minus_magnitude(self, most: Self) -> Self {
        Pair(self.0.minus_magnitude(most.0), self.1.minus_magnitude(most.1))
    }
    #[inline(always)]
    fn normal_or_zero(self) -> Self::Mask {
        Pair(self.0.normal_or_zero(), self.1.normal_or_zero())
    }
    #[inline(always)]
    fn prefetch(self, from: *const V::Elem) {
        self.0.prefetch(from);
        // One line is enough for both.
        if size_of::<Self>() > LINE {
            self.1.prefetch(from.wrapping_add(V::LANES));
        }
    }
    #[inline(always)]
    fn abreast(self) -> Self {
        Pair(self.0.abreast(), self.1.abreast())
    }
    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Pair(self.0.mul_add(b.0, c.0), self.1.mul_add(b.1, c.1))
    }
    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        Pair(self.0.neg_mul_add(b.0, c.0), self.1.neg_mul_add(b.1, c.1))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Pair(self.0.abs(), self.1.abs())
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Pair(self.0.max(other.0), self.1.max(other.1))
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Pair(self.0.min(other.0), self.1.min(other.1))
    }
    #[inline(always)]
    fn greatest(self) -> V::Elem {
        self.0.max(self.1).greatest()
    }
    #[inline(always)]
    fn lt(self, other: Self) -> Self::Mask {
        Pair(self.0.lt(other.0), self.1.lt(other.1))
    }
    #[inline(always)]
    fn le(self, other: Self) -> Self::Mask {
        Pair(self.0.le(other.0), self.1.le(other.1))
    }
    #[inline(always)]
    fn eq(self, other: Self) -> Self::Mask {
        Pair(self.0.eq(other.0), self.1.eq(other.1))
    }
    #[inline(always)]
    fn ne(self, other: Self) -> Self::Mask {
        Pair(self.0.ne(other.0), self.1.ne(other.1))
    }
    #[inline(always)]
    fn bits_and(self, other: Self) -> Self {
        Pair(self.0.bits_and(other.0), self.1.bits_and(other.1))
    }
    #[inline(always)]
    fn bits_or(self, other: Self) -> Self {
        Pair(self.0.bits_or(other.0), self.1.bits_or(other.1))
    }
    #[inline(always)]
    fn bits_xor(self, other: Self) -> Self {
        Pair(self.0.bits_xor(other.0), self.1.bits_xor(other.1))
    }
    #[inline(always)]
    fn bits_add(self, other: Self) -> Self {
        Pair(self.0.bits_add(other.0), self.1.bits_add(other.1))
    }
    #[inline(always)]
    fn bits_sub(self, other: Self) -> Self {
        Pair(self.0.bits_sub(other.0), self.1.bits_sub(other.1))
    }
    #[inline(always)]
    fn bits_shl(self, n: u32) -> Self {
        Pair(self.0.bits_shl(n), self.1.bits_shl(n))
    }
    #[inline(always)]
    fn bits_shr(self, n: u32) -> Self {
        Pair(self.0.bits_shr(n), self.1.bits_shr(n))
    }
    #[inline(always)]
    fn lookup(self, table: &[V::Elem; 8]) -> Self {
        Pair(self.0.lookup(table), self.1.lookup(table))
    }
}

/// A mask of one of the halves, free of the register it selects from.
pub trait Logic: Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> {}
impl<M: Copy + BitAnd<Output = M> + BitOr<Output = M> + Not<Output = M>> Logic for M {}
halves!(Logic: BitAnd bitand, BitOr bitor);

impl<M: Logic> Not for Pair<M> {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Pair(!self.0, !self.1)
    }
}

impl<V: Lanes> Mask<Pair<V>> for Pair<V::Mask> {
    #[inline(always)]
    fn select(self, yes: Pair<V>, no: Pair<V>) -> Pair<V> {
        Pair(self.0.select(yes.0, no.0), self.1.select(yes.1, no.1))
    }
    #[inline(always)]
    fn keep(self, x: Pair<V>) -> Pair<V> {
        Pair(self.0.keep(x.0), self.1.keep(x.1))
    }
    #[inline(always)]
    fn bits(self) -> u32 {
        self.0.bits() | self.1.bits() << V::LANES
    }
    #[inline(always)]
    fn any(self) -> bool {
        // One test for both: the branch that follows is taken never or once a call.
        (self.0 | self.1).any()
    }
    #[inline(always)]
    fn all(self) -> bool {
        (self.0 & self.1).all()
    }
}
