//! What the two run-time backends have in common: one line a method, the intrinsics by name.
//!
//! SAFETY, for both backends: an intrinsic needs its instructions. It acts on values of the register types, which only
//! `Register::zero` makes from nothing, and the caller of that has seen the CPU. Loads and stores cut their slice to
//! the register's length first, and use the unaligned forms; partial ones touch only lanes that the slice has. Columns
//! cut theirs to the fourth element of the last row, which is the furthest that they touch.

/// A register over intrinsics, with all its operations but those of the mask.
macro_rules! x86_register {
    ($register:ident, $mask:ident, $elem:ty, $raw:ty, $lanes:literal;
     splat $set1:ident, load $loadu:ident, store $storeu:ident, stream $stream:ident, turned $turned:ident, columns $load_columns:ident $store_columns:ident, greatest $greatest:ident;
     $add:ident, $sub:ident, $mul:ident, $div:ident, $fmadd:ident, $fnmadd:ident, $max:ident, $min:ident;
     $cmp:ident, $and:ident, $andnot:ident, $or:ident, $xor:ident;
     $(abreast $abreast:ident,)? $(lookup $lookup:ident,)? $(parts $getexp:ident $getmant:ident $scalef:ident $range:ident $fpclass:ident,)? to_int $to_int:ident, of_int $of_int:ident, $iadd:ident, $isub:ident, $shl:ident, $shr:ident) => {
        #[derive(Clone, Copy)]
        pub struct $register($raw);

        impl Register for $register {
            #[inline(always)]
            unsafe fn zero() -> Self {
                Self(unsafe { $set1(0.0) })
            }
        }

        x86_register!(operators $register: Add add $add, Sub sub $sub, Mul mul $mul, Div div $div);

        impl Neg for $register {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                self.bits_xor(self.splat(-0.0))
            }
        }

        impl Lanes for $register {
            type Elem = $elem;
            type Mask = $mask;
            type Single = Self;
            const LANES: usize = $lanes;
            const FUSED: bool = true;

            #[inline(always)]
            fn single(self) -> Self {
                self
            }
            #[inline(always)]
            fn splat(self, x: $elem) -> Self {
                Self(unsafe { $set1(x) })
            }
            #[inline(always)]
            fn load(self, from: &[$elem]) -> Self {
                Self(unsafe { $loadu(from[..$lanes].as_ptr()) })
            }
            #[inline(always)]
            fn store(self, into: &mut [$elem]) {
                unsafe { $storeu(into[..$lanes].as_mut_ptr(), self.0) }
            }
            const CHOOSES: bool = true;
            const STREAMS: bool = true;
            #[inline(always)]
            fn stream(self, into: &mut [$elem]) {
                let into = &mut into[..$lanes];
                // The instruction faults on other addresses.
                assert!(into.as_ptr().addr() % size_of::<Self>() == 0);
                unsafe { $stream(into.as_mut_ptr(), self.0) }
            }
            #[inline(always)]
            fn behind(self, last: Self, by: usize) -> (Self, Self) {
                let turned = Self(unsafe { $turned(self.0, by) });
                (self.first($lanes - by).select(last, turned), turned)
            }
            #[inline(always)]
            fn first(self, count: usize) -> $mask {
                unsafe { $mask::first(count) }
            }
            #[inline(always)]
            fn load_first(self, from: &[$elem]) -> Self {
                // Of no element at all, the address is no address, and suppressing its fault takes the CPU ages.
                if from.is_empty() {
                    return Self(unsafe { $set1(0.0) });
                }
                Self(unsafe { $mask::first(from.len()).load(from.as_ptr()) })
            }
            #[inline(always)]
            fn store_first(self, into: &mut [$elem]) {
                if !into.is_empty() {
                    unsafe { $mask::store_first(into.len(), into.as_mut_ptr(), self.0) }
                }
            }
            $(#[inline(always)]
            fn abreast(self) -> Self {
                Self(unsafe { $abreast(self.0) })
            })?
            $(const SCALES: bool = true;
            #[inline(always)]
            fn times_power(self, n: Self) -> Self {
                Self(unsafe { $scalef(self.0, n.0) })
            }
            #[inline(always)]
            fn split<const HALVES: bool>(self) -> Option<(Self, Self)> {
                const SIGN: i32 = _MM_MANT_SIGN_ZERO;
                let exponent = |x: Self| Self(unsafe { $getexp(x.0) });
                if HALVES {
                    let m = Self(unsafe { $getmant::<_MM_MANT_NORM_P5_1, SIGN>(self.0) });
                    return Some((m, self.splat(-1.0) - exponent(self)));
                }
                let m = Self(unsafe { $getmant::<_MM_MANT_NORM_P75_1P5, SIGN>(self.0) });
                // That of 0 would be infinite.
                let number = self.splat(<$elem>::MIN_POSITIVE).max(self);
                Some((m, exponent(m) - exponent(number)))
            }
            #[inline(always)]
            fn minus_magnitude(self, most: Self) -> Self {
                // The lesser magnitude, and its sign set.
                Self(unsafe { $range::<0b1110>(self.0, most.0) })
            }
            #[inline(always)]
            fn normal_or_zero(self) -> $mask {
                // Not NaN, infinite, subnormal or below 0.
                !$mask(unsafe { $fpclass::<0b1111_1001>(self.0) })
            })?
            #[inline(always)]
            fn prefetch(self, from: *const $elem) {
                // No address faults here, whatever is there.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
            }
            #[inline(always)]
            fn load_columns(self, from: &[$elem], stride: usize) -> [Self; 4] {
                let _ = &from[..($lanes - 1) * stride + 4];
                unsafe { columns::$load_columns(from.as_ptr(), stride) }.map(Self)
            }
            #[inline(always)]
            fn store_columns(columns: [Self; 4], into: &mut [$elem], stride: usize) {
                let _ = &into[..($lanes - 1) * stride + 4];
                unsafe { columns::$store_columns(columns.map(|column| column.0), into.as_mut_ptr(), stride) }
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                Self(unsafe { $fmadd(self.0, b.0, c.0) })
            }
            #[inline(always)]
            fn neg_mul_add(self, b: Self, c: Self) -> Self {
                Self(unsafe { $fnmadd(self.0, b.0, c.0) })
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Self(unsafe { $andnot($set1(-0.0), self.0) })
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                Self(unsafe { $max(self.0, other.0) })
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                Self(unsafe { $min(self.0, other.0) })
            }
            #[inline(always)]
            fn greatest(self) -> $elem {
                unsafe { $greatest(self.0) }
            }
            #[inline(always)]
            fn lt(self, other: Self) -> $mask {
                $mask(unsafe { $cmp::<_CMP_LT_OQ>(self.0, other.0) })
            }
            #[inline(always)]
            fn le(self, other: Self) -> $mask {
                $mask(unsafe { $cmp::<_CMP_LE_OQ>(self.0, other.0) })
            }
            #[inline(always)]
            fn eq(self, other: Self) -> $mask {
                $mask(unsafe { $cmp::<_CMP_EQ_OQ>(self.0, other.0) })
            }
            #[inline(always)]
            fn ne(self, other: Self) -> $mask {
                $mask(unsafe { $cmp::<_CMP_NEQ_UQ>(self.0, other.0) })
            }
            #[inline(always)]
            fn bits_and(self, other: Self) -> Self {
                Self(unsafe { $and(self.0, other.0) })
            }
            #[inline(always)]
            fn bits_or(self, other: Self) -> Self {
                Self(unsafe { $or(self.0, other.0) })
            }
            #[inline(always)]
            fn bits_xor(self, other: Self) -> Self {
                Self(unsafe { $xor(self.0, other.0) })
            }
            #[inline(always)]
            fn bits_add(self, other: Self) -> Self {
                Self(unsafe { $of_int($iadd($to_int(self.0), $to_int(other.0))) })
            }
            #[inline(always)]
            fn bits_sub(self, other: Self) -> Self {
                Self(unsafe { $of_int($isub($to_int(self.0), $to_int(other.0))) })
            }
            #[inline(always)]
            fn bits_shl(self, n: u32) -> Self {
                Self(unsafe { $of_int($shl($to_int(self.0), _mm_cvtsi32_si128(n as i32))) })
            }
            #[inline(always)]
            fn bits_shr(self, n: u32) -> Self {
                Self(unsafe { $of_int($shr($to_int(self.0), _mm_cvtsi32_si128(n as i32))) })
            }
            $(#[inline(always)]
            fn lookup(self, table: &[$elem; 8]) -> Self {
                Self(unsafe { $lookup(self.0, table) })
            })?
        }
    };
    (operators $type:ident: $($trait:ident $op:ident $intrinsic:ident),*) => {$(
        impl $trait for $type {
            type Output = Self;
            #[inline(always)]
            fn $op(self, other: Self) -> Self {
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )*};
}

pub(super) use x86_register;
