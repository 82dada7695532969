//! Class labels, of any integer type.

use crate::dispatch::{Kernel, Level};
use crate::error::Error;
use crate::float::Float;
use crate::lanes::Lanes;

/// An integer that can name a class: `u8`, `u16`, `u32`, `u64`, `i32` or `i64`.
///
/// ```
/// fn count<T: fused_loss::Label>(labels: &[T]) -> usize {
///     labels.len()
/// }
/// assert_eq!(count(&[0_u8, 2]) + count(&[1_i64]), 3);
/// ```
pub trait Label: Copy + sealed::Label {}

mod sealed {
    /// Keeps [`super::Label`] ours, so that one kernel serves all types.
    pub trait Label: Sized {
        fn wrap(labels: &[Self]) -> super::Labels<'_>;
    }
}

/// Labels that are looked at together.
const CHUNK: usize = 64;

/// Whether all labels are from 0 on and below the number of classes: without a branch for each.
#[inline(always)]
fn all_below(labels: impl Iterator<Item = i64>, classes: usize) -> bool {
    let last = classes as i64 - 1;
    labels.fold(0, |signs, label| signs | label | last.wrapping_sub(label)) >= 0
}

macro_rules! labels {
    ($($integer:ident: $name:ident),*) => {
        /// Labels of one of the types.
        #[derive(Clone, Copy)]
        pub enum Labels<'a> {
            $($name(&'a [$integer]),)*
        }

        $(impl Label for $integer {}
        impl sealed::Label for $integer {
            fn wrap(labels: &[$integer]) -> Labels<'_> {
                Labels::$name(labels)
            }
        })*

        impl Labels<'_> {
            pub fn len(self) -> usize {
                match self { $(Labels::$name(labels) => labels.len(),)* }
            }

            /// The labels of so many rows, and the others.
            #[cfg(feature = "rayon")]
            pub fn split_at(self, rows: usize) -> (Self, Self) {
                match self {
                    $(Labels::$name(labels) => {
                        let (first, second) = labels.split_at_checked(rows).unwrap_or_default();
                        (Labels::$name(first), Labels::$name(second))
                    })*
                }
            }

            /// The label of a row, which there is.
            #[cfg_attr(called, inline(never))]
            fn get(self, row: usize) -> Option<i128> {
                match self { $(Labels::$name(labels) => labels.get(row).map(|&label| label.into()),)* }
            }

            /// The labels of rows from `first` on as numbers; -1 where one is none of so few classes, unless it is known that
            /// `all` are classes.
            #[cfg_attr(not(called), inline(always))]
            #[cfg_attr(called, inline(never))]
            pub fn classes_into<F: Float>(self, first: usize, classes: usize, all: bool, into: &mut [F]) {
                if cfg!(small) {
                    for (row, into) in (first..).zip(into) {
                        let class = self.class_of(row, classes);
                        *into = F::from(class.map_or(-1, |class| class as i16));
                    }
                    return;
                }
                match self {
                    $(Labels::$name(labels) => {
                        let labels = labels.get(first..).unwrap_or_default();
                        let labels = labels.get(..into.len()).unwrap_or(labels);
                        let classes_of = into.iter_mut().zip(labels);
                        if all || all_below(labels.iter().map(|&label| label as i64), classes) {
                            classes_of.for_each(|(into, &label)| *into = F::from(label as i16));
                        } else {
                            let other = |label: $integer| label as u64 >= classes as u64;
                            classes_of.for_each(|(into, &label)| {
                                *into = F::from(if other(label) { -1 } else { label as i16 });
                            });
                        }
                    })*
                }
            }

            /// How many labels are this one.
            pub fn count_of(self, label: i64) -> usize {
                match self {
                    $(Labels::$name(labels) => match <$integer>::try_from(label) {
                        Ok(wanted) => labels.iter().filter(|&&label| label == wanted).count(),
                        Err(_) => 0,
                    })*
                }
            }

            /// Whether all labels are classes.
            #[inline(always)]
            fn all_classes(self, classes: usize) -> bool {
                match self {
                    $(Labels::$name(labels) => all_below(labels.iter().map(|&label| label as i64), classes),)*
                }
            }

            /// The first row from `from` on whose label is no class.
            fn find_other(self, from: usize, classes: usize) -> Option<usize> {
                if cfg!(small) {
                    return (from..self.len()).find(|&row| self.class_of(row, classes).is_none());
                }
                match self {
                    $(Labels::$name(labels) => {
                        let labels = labels.get(from..)?;
                        let below = |&labels: &&[$integer]| Labels::$name(labels).all_classes(classes);
                        let whole = labels.chunks(CHUNK).take_while(below).map(<[_]>::len).sum::<usize>();
                        // Negative labels wrap around, and lie beyond all classes.
                        let other = |&label: &$integer| label as u64 >= classes as u64;
                        labels.get(whole..)?.iter().position(other).map(|place| from + whole + place)
                    })*
                }
            }
        }
    };
}
labels!(u8: U8, u16: U16, u32: U32, u64: U64, i32: I32, i64: I64);

impl<'a> Labels<'a> {
    pub fn of<T: Label>(labels: &'a [T]) -> Self {
        T::wrap(labels)
    }

    /// The class of a row, where its label is one.
    #[cfg_attr(not(called), inline)]
    #[cfg_attr(called, inline(never))]
    pub fn class_of(self, index: usize, classes: usize) -> Option<usize> {
        self.get(index).and_then(|value| usize::try_from(value).ok()).filter(|&class| class < classes)
    }

    /// Whether a row's label is the one that leaves it out.
    #[cfg_attr(not(called), inline)]
    #[cfg_attr(called, inline(never))]
    pub fn ignored(self, row: usize, ignore_index: Option<i64>) -> bool {
        ignore_index.is_some() && self.get(row) == ignore_index.map(i128::from)
    }

    /// Whether all labels are classes. `Err(Label)` for the first that is none, but for rows that are left out: those with
    /// this label or with the weight 0.
    pub fn check<F: Float>(
        self,
        classes: usize,
        ignore_index: Option<i64>,
        weights: &[F],
        level: Level,
    ) -> Result<bool, Error<F>> {
        if !cfg!(small) && level.run::<f32, _>(AllClasses { labels: self, classes }) {
            return Ok(true);
        }
        let mut from = 0;
        while let Some(row) = self.find_other(from, classes) {
            if !self.ignored(row, ignore_index) && weights.get(row) != Some(&F::ZERO) {
                let value = self.get(row).unwrap_or(-1);
                return Err(Error::Label { index: row, value, classes });
            }
            from = row + 1;
        }
        Ok(from == 0)
    }
}

/// Looks whether all labels are classes, with the level's instructions.
struct AllClasses<'a> {
    labels: Labels<'a>,
    classes: usize,
}

impl Kernel<f32> for AllClasses<'_> {
    type Output = bool;
    type Home = Self;
    const RARE: bool = true;

    #[inline(always)]
    fn run<V: Lanes<Elem = f32>, const WIDTH: usize, const PARTS: usize>(self, _: V) -> bool {
        self.labels.all_classes(self.classes)
    }
}
