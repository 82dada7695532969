//! Levels of the CPU, and the one door from plain code into kernels.
//!
//! SAFETY, for the whole file: a register of a level may exist only where the CPU has its instructions. A [`Level`]
//! is made only by [`Level::available`], which asks the CPU first, and by [`Level::detect`], which remembers one of those
//! or is scalar; its field is private, so a value of it is the proof that the entries below need.
#![allow(unsafe_code)]

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::float::Float;
#[cfg(any(x86_dispatch, all(portable_simd, not(small))))]
use crate::lanes::Pair;
#[cfg(x86_dispatch)]
use crate::lanes::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};
use crate::lanes::{Lanes, PortableF32, PortableF64, Scalar, sealed::Register};

#[cfg(x86_dispatch)]
mod cpu;

/// A set of instructions that this CPU has: a value of it is the proof.
///
/// Every level of one [`Rounding`] class gives the same bits. Calls take the best level by themselves
/// ([`Level::detect`]); a level can be forced per call, for tests, benchmarks, or bits that must match a machine of
/// the other class.
///
/// ```
/// use fused_loss::{Elementwise, Level, Mse};
/// for level in Level::available() {
///     let sum = Mse.batch(&[1.0_f32, 2.0], &[0.0, 0.0]).level(level).sum();
///     assert_eq!(sum, Ok(5.0), "{level}");
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Kind {
    Scalar = 1,
    Portable = 2,
    #[cfg(x86_dispatch)]
    Avx2 = 3,
    #[cfg(x86_dispatch)]
    Avx512 = 4,
}

/// How `a * b + c` rounds: the one thing that differs between levels, and so the class of their bits.
///
/// ```
/// use fused_loss::{Level, Rounding};
/// assert_eq!(Level::find("scalar").unwrap().rounding(), Rounding::Unfused);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// Once: AVX2 with FMA, AVX-512, NEON.
    Fused,
    /// Twice: SSE2, simd128, plain code.
    Unfused,
}

impl fmt::Display for Rounding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Rounding::Fused => "fused",
            Rounding::Unfused => "unfused",
        })
    }
}

const KINDS: &[Kind] = &[
    Kind::Scalar,
    Kind::Portable,
    #[cfg(x86_dispatch)]
    Kind::Avx2,
    #[cfg(x86_dispatch)]
    Kind::Avx512,
];

impl Level {
    /// The names of all levels of this target, whether this CPU has them or not, the best last.
    ///
    /// ```
    /// assert!(fused_loss::Level::names().any(|name| name == "portable"));
    /// ```
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.name())
    }

    /// The levels that this CPU and its operating system can run, the best last.
    ///
    /// ```
    /// assert!(fused_loss::Level::available().count() >= 2);
    /// ```
    pub fn available() -> impl Iterator<Item = Level> {
        KINDS.iter().filter(|kind| kind.runs_here()).map(|&kind| Level(kind))
    }

    /// The level of this name, where this CPU has it.
    ///
    /// ```
    /// use fused_loss::Level;
    /// assert_eq!(Level::find("scalar").map(Level::name), Some("scalar"));
    /// assert_eq!(Level::find("abacus"), None);
    /// ```
    pub fn find(name: &str) -> Option<Level> {
        Level::available().find(|level| level.name() == name)
    }

    /// The level that calls take by themselves: the best one, found once and remembered.
    ///
    /// Where the target has no SIMD, this is `scalar`.
    ///
    /// ```
    /// use fused_loss::Level;
    /// assert!(Level::available().any(|level| level == Level::detect()));
    /// ```
    #[inline]
    pub fn detect() -> Level {
        // One of these bytes is as good as another: every thread finds the same, so no order is needed.
        static FOUND: AtomicU8 = AtomicU8::new(0);
        let found = FOUND.load(Ordering::Relaxed);
        match KINDS.iter().find(|&&kind| kind as u8 == found) {
            Some(&kind) => Level(kind),
            None => Level::look(&FOUND),
        }
    }

    #[cold]
    fn look(found: &AtomicU8) -> Level {
        let best = if cfg!(portable_simd) { Level::available().last() } else { None };
        let level = best.unwrap_or(Level(Kind::Scalar));
        found.store(level.0 as u8, Ordering::Relaxed);
        level
    }

    /// Its name: `scalar`, `portable`, `avx2` or `avx512`.
    ///
    /// ```
    /// println!("{}", fused_loss::Level::detect().name());
    /// ```
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What it is made of on this target.
    ///
    /// ```
    /// println!("{}", fused_loss::Level::detect().instructions());
    /// ```
    pub fn instructions(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "one number at a time",
            Kind::Portable if cfg!(x86_dispatch) => "SSE2, 128 bits",
            Kind::Portable if cfg!(portable_fused) => "NEON with FMA, 128 bits",
            Kind::Portable if cfg!(portable_simd) => "simd128, 128 bits",
            Kind::Portable => "one number at a time",
            #[cfg(x86_dispatch)]
            Kind::Avx2 => "AVX2 with FMA, 256 bits",
            #[cfg(x86_dispatch)]
            Kind::Avx512 => "AVX-512 F, BW, DQ, VL, 512 bits",
        }
    }

    /// The class that its bits belong to. It depends on the level and the architecture, never on compiler flags.
    ///
    /// ```
    /// println!("{}", fused_loss::Level::detect().rounding());
    /// ```
    pub fn rounding(self) -> Rounding {
        let fused = match self.0 {
            Kind::Scalar => false,
            Kind::Portable => cfg!(portable_fused),
            #[cfg(x86_dispatch)]
            Kind::Avx2 | Kind::Avx512 => true,
        };
        if fused { Rounding::Fused } else { Rounding::Unfused }
    }

    /// The level of the same bits that has done a few elements soonest: wide registers take time to wake, and to fold.
    #[inline]
    pub(crate) fn for_little(self) -> Level {
        match self.0 {
            // What runs AVX-512 runs AVX2 with FMA: both are looked for.
            #[cfg(x86_dispatch)]
            Kind::Avx512 => Level(Kind::Avx2),
            kind => Level(kind),
        }
    }

    /// Whether its registers can be written past the cache.
    #[inline]
    pub(crate) fn streams(self) -> bool {
        match self.0 {
            #[cfg(x86_dispatch)]
            Kind::Avx2 | Kind::Avx512 => true,
            _ => false,
        }
    }

    /// Waits until other threads would see what registers of this level have streamed.
    #[inline]
    pub(crate) fn settle(self) {
        #[cfg(x86_dispatch)]
        // SAFETY: the instruction is one of SSE, which this target has.
        unsafe {
            #[cfg(target_arch = "x86")]
            core::arch::x86::_mm_sfence();
            #[cfg(target_arch = "x86_64")]
            core::arch::x86_64::_mm_sfence();
        }
    }

    /// Runs a kernel with this level's registers.
    #[inline]
    pub(crate) fn run<F: Float, K: Kernel<F>>(self, kernel: K) -> K::Output {
        F::enter(self, kernel)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Scalar => "scalar",
            Kind::Portable => "portable",
            #[cfg(x86_dispatch)]
            Kind::Avx2 => "avx2",
            #[cfg(x86_dispatch)]
            Kind::Avx512 => "avx512",
        }
    }

    fn runs_here(self) -> bool {
        match self {
            Kind::Scalar | Kind::Portable => true,
            #[cfg(x86_dispatch)]
            Kind::Avx2 => cpu::has_avx2(),
            #[cfg(x86_dispatch)]
            Kind::Avx512 => cpu::has_avx512(),
        }
    }
}

/// Code over lanes that any level can run. `WIDTH` is the number of virtual lanes, and `WIDTH / V::LANES = PARTS`
/// registers hold them.
pub trait Kernel<F: Float> {
    /// What it gives back.
    type Output;
    /// Whether it may be slow where size is what counts.
    const RARE: bool = false;
    /// What its copies are compiled beside: an elementwise kernel's loss, and any other kernel itself. The compiler takes
    /// them for part of the module that this type is from, and compiles modules side by side.
    type Home;
    /// The body; implementations bear `#[inline(always)]`.
    fn run<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(self, zero: V) -> Self::Output;
}

/// The registers of a precision at each level.
pub trait Enter: Sized {
    /// The registers of the portable level, for plain code that any level shares.
    type Portable: Lanes<Elem = Self>;
    /// The first of them: they run everywhere.
    fn portable() -> Self::Portable;
    /// Runs the kernel with the registers of `level`.
    fn enter<K: Kernel<Self>>(level: Level, kernel: K) -> K::Output
    where
        Self: Float;
}

impl Enter for f32 {
    type Portable = PortableF32;
    #[inline(always)]
    fn portable() -> PortableF32 {
        // SAFETY: these are of the target's own instructions.
        unsafe { PortableF32::zero() }
    }
    #[inline]
    fn enter<K: Kernel<f32>>(level: Level, kernel: K) -> K::Output {
        // SAFETY: `level` is the proof, see the head of the file.
        unsafe {
            match level.0 {
                // One copy of a kernel is enough: both have the same bits.
                #[cfg(not(portable_simd))]
                Kind::Scalar | Kind::Portable => K::Home::plain::<Scalar<f32>, 32, 32>(kernel),
                #[cfg(all(portable_simd, small))]
                Kind::Scalar | Kind::Portable if K::RARE => K::Home::plain::<Scalar<f32>, 32, 32>(kernel),
                #[cfg(all(portable_simd, small))]
                Kind::Scalar | Kind::Portable => K::Home::plain::<PortableF32, 32, 8>(kernel),
                #[cfg(all(portable_simd, not(small)))]
                Kind::Scalar => K::Home::plain::<Scalar<f32>, 32, 32>(kernel),
                #[cfg(all(portable_simd, not(small)))]
                Kind::Portable => K::Home::plain::<Pair<Pair<PortableF32>>, 32, 2>(kernel),
                #[cfg(x86_dispatch)]
                Kind::Avx2 => K::Home::avx2::<Pair<Pair<Avx2F32>>, 32, 1>(kernel),
                #[cfg(x86_dispatch)]
                Kind::Avx512 => K::Home::avx512::<Pair<Avx512F32>, 32, 1>(kernel),
            }
        }
    }
}

impl Enter for f64 {
    type Portable = PortableF64;
    #[inline(always)]
    fn portable() -> PortableF64 {
        // SAFETY: these are of the target's own instructions.
        unsafe { PortableF64::zero() }
    }
    #[inline]
    fn enter<K: Kernel<f64>>(level: Level, kernel: K) -> K::Output {
        // SAFETY: `level` is the proof, see the head of the file.
        unsafe {
            match level.0 {
                // One copy of a kernel is enough: both have the same bits.
                #[cfg(not(portable_simd))]
                Kind::Scalar | Kind::Portable => K::Home::plain::<Scalar<f64>, 16, 16>(kernel),
                // Two at a time are not worth a second copy of all that is rare.
                #[cfg(all(portable_simd, small))]
                Kind::Scalar | Kind::Portable => K::Home::plain::<Scalar<f64>, 16, 16>(kernel),
                #[cfg(all(portable_simd, not(small)))]
                Kind::Scalar => K::Home::plain::<Scalar<f64>, 16, 16>(kernel),
                #[cfg(all(portable_simd, not(small)))]
                Kind::Portable => K::Home::plain::<Pair<Pair<PortableF64>>, 16, 2>(kernel),
                #[cfg(x86_dispatch)]
                Kind::Avx2 => K::Home::avx2::<Pair<Pair<Avx2F64>>, 16, 1>(kernel),
                #[cfg(x86_dispatch)]
                Kind::Avx512 => K::Home::avx512::<Pair<Avx512F64>, 16, 1>(kernel),
            }
        }
    }
}

// An entry is never inlined: it would lose its instructions, or bring them to a caller that may not have them.
macro_rules! entry {
    ($name:ident $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        #[inline(never)]
        unsafe fn $name<V: Lanes<Elem = F>, const WIDTH: usize, const PARTS: usize>(kernel: K) -> K::Output {
            const { assert!(WIDTH == F::WIDTH && WIDTH == PARTS * V::LANES) }
            // SAFETY: the caller has a level with the instructions of V.
            kernel.run::<V, WIDTH, PARTS>(unsafe { V::zero() })
        }
    };
}

/// The entries into a level's instructions, as functions of a kernel's home: were they functions of this file, all kernels
/// would be compiled one after the other.
trait Entries<F: Float, K: Kernel<F>> {
    entry!(plain);
    #[cfg(x86_dispatch)]
    entry!(avx2, "avx2,fma");
    #[cfg(x86_dispatch)]
    entry!(avx512, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
}

impl<H, F: Float, K: Kernel<F, Home = H>> Entries<F, K> for H {}
