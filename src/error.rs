//! The one error type.

use core::fmt;

use crate::float::Float;

/// What was wrong with a call, and where.
///
/// Of several bad values, the one with the lowest index is named, on every level and for any number of threads.
///
/// ```
/// use fused_loss::{Elementwise, Error, Mse};
/// let error = Mse.batch(&[1.0_f32, 2.0], &[0.0]).mean().unwrap_err();
/// assert_eq!(error, Error::Length { what: "target", expected: 2, found: 1 });
/// assert_eq!(error.to_string(), "target has 1 elements where pred has 2");
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Error<F> {
    /// A slice is not as long as `pred`.
    Length {
        /// Which slice.
        what: &'static str,
        /// The length of `pred`.
        expected: usize,
        /// Its own length.
        found: usize,
    },
    /// Predictions that are no whole rows of so many classes.
    Classes {
        /// How many predictions.
        pred: usize,
        /// How many classes a row should have.
        classes: usize,
    },
    /// Rows that begin before the one before has ended.
    Stride {
        /// From the start of a row to that of the next.
        stride: usize,
        /// How many classes a row should have.
        classes: usize,
    },
    /// Not one weight for each class.
    ClassWeights {
        /// How many classes there are.
        classes: usize,
        /// How many weights.
        found: usize,
    },
    /// The weight of a class is infinite or NaN.
    ClassWeight {
        /// The class.
        class: usize,
        /// Its weight.
        value: F,
    },
    /// A slice is not as long as there are rows.
    Rows {
        /// Which slice.
        what: &'static str,
        /// The number of rows.
        expected: usize,
        /// Its own length.
        found: usize,
    },
    /// A label names no class.
    Label {
        /// Its index.
        index: usize,
        /// Its value.
        value: i128,
        /// How many classes there are.
        classes: usize,
    },
    /// A mean over nothing: no elements, a count of 0, or weights whose sum is 0.
    Empty,
    /// A weighted mean without weights.
    NoWeights,
    /// Something that the loss has no use for, where the loss was chosen at run time.
    Unsupported {
        /// What it is.
        what: &'static str,
    },
    /// A parameter of the loss, or the upstream factor, lies outside its domain.
    Parameter {
        /// Which parameter.
        name: &'static str,
        /// Its value.
        value: F,
        /// What it must be.
        domain: &'static str,
    },
    /// A prediction lies outside the domain of the loss.
    Pred {
        /// Its index.
        index: usize,
        /// Its value.
        value: F,
    },
    /// A target lies outside the domain of the loss, or is NaN where the loss has a domain.
    Target {
        /// Its index.
        index: usize,
        /// Its value.
        value: F,
    },
    /// A weight is infinite or NaN.
    Weight {
        /// Its index.
        index: usize,
        /// Its value.
        value: F,
    },
    /// Bytes that are no total, or no other state, of this precision and version.
    Bytes {
        /// What is wrong with them.
        reason: &'static str,
    },
}

impl<F> Error<F> {
    /// The same error, its index counted from `base` elements earlier: for callers who split a batch.
    ///
    /// ```
    /// use fused_loss::Error;
    /// let error = Error::Weight { index: 3, value: f32::INFINITY };
    /// assert_eq!(error.shifted(100), Error::Weight { index: 103, value: f32::INFINITY });
    /// ```
    pub fn shifted(mut self, base: usize) -> Self {
        if let Error::Pred { index, .. }
        | Error::Target { index, .. }
        | Error::Weight { index, .. }
        | Error::Label { index, .. } = &mut self
        {
            *index += base;
        }
        self
    }

    /// The same error, counted from `rows` rows earlier: for callers who split rows of classes.
    ///
    /// ```
    /// use fused_loss::Error;
    /// let error = Error::Pred { index: 3, value: 1.5 };
    /// assert_eq!(error.shifted_rows(100, 10), Error::Pred { index: 1003, value: 1.5 });
    /// ```
    pub fn shifted_rows(self, rows: usize, classes: usize) -> Self {
        match self {
            Error::Pred { .. } | Error::Target { .. } => self.shifted(rows * classes),
            of_row => of_row.shifted(rows),
        }
    }
}

impl<F: Float> fmt::Display for Error<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::Length { what, expected, found } => {
                write!(out, "{what} has {found} elements where pred has {expected}")
            }
            Error::Classes { pred, classes } => {
                write!(out, "pred has {pred} elements, which are no rows of {classes} classes")
            }
            Error::Stride { stride, classes } => {
                write!(out, "stride is {stride}, less than the {classes} classes of a row")
            }
            Error::ClassWeights { classes, found } => {
                write!(out, "class_weights has {found} elements where there are {classes} classes")
            }
            Error::ClassWeight { class, value } => {
                write!(out, "class_weights[{class}] is {value}, but must be finite")
            }
            Error::Rows { what, expected, found } => {
                write!(out, "{what} has {found} elements where pred has {expected} rows")
            }
            Error::Label { index, value, classes } => {
                write!(
                    out,
                    "labels[{index}] is {value}, which is none of the {classes} classes, counted from 0"
                )
            }
            Error::Empty => out.write_str("mean of nothing: no element takes part, or the weights sum to 0"),
            Error::NoWeights => out.write_str("a weighted mean needs weights"),
            Error::Unsupported { what } => write!(out, "the loss takes no {what}"),
            Error::Parameter { name, value, domain } => {
                write!(out, "{name} is {value}, but must be {domain}")
            }
            Error::Pred { index, value } => {
                write!(out, "pred[{index}] is {value}, outside the domain of the loss")
            }
            Error::Target { index, value } => {
                write!(out, "target[{index}] is {value}, outside the domain of the loss")
            }
            Error::Weight { index, value } => {
                write!(out, "weights[{index}] is {value}, but must be finite")
            }
            Error::Bytes { reason } => write!(out, "not the bytes of such a state: {reason}"),
        }
    }
}

impl<F: Float> core::error::Error for Error<F> {}
