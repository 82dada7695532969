//! The softmax of rows, its logarithm, and the log-sum-exp, for those who want no loss.

use crate::dispatch::Level;
use crate::error::Error;
use crate::float::Float;
use crate::row_loss::TEMPERATURE;
use crate::softmax::Logits;
use crate::softmax_rows::shares::{Form, Shares};

/// The softmax of rows of logits over a temperature.
///
/// ```text
/// softmax = e^(z / T) / sum e^(z / T)        log_softmax = z / T - log_sum_exp        log_sum_exp = ln sum e^(z / T)
/// ```
///
/// Each share is within 4 ULP, however small it is; a logarithm is within 3 ULP of the greater of z / T and log-sum-exp,
/// and of itself where one class dominates. Classes of -inf have a share of 0. A row with NaN or +inf, or nothing but
/// -inf, becomes NaN; its log-sum-exp is NaN, inf or -inf. `Err(Classes)` where the logits are no whole rows, `Err(Length)`
/// or `Err(Rows)` where there is not as much room, `Err(Parameter)` where the temperature is not from 2^-60 to 2^60.
///
/// ```
/// use fused_loss::Softmax;
/// let (warm, mut shares) = (Softmax { temperature: 2.0, level: None }, [0.0_f64; 2]);
/// warm.softmax(&[2.0 * 3_f64.ln(), 0.0], 2, &mut shares)?;
/// assert!((shares[0] - 0.75).abs() < 1e-15);
/// # Ok::<(), fused_loss::Error<f64>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Softmax<F> {
    /// The logits are divided by it.
    pub temperature: F,
    /// The level to run on, instead of the best one.
    pub level: Option<Level>,
}

impl<F: Float> Default for Softmax<F> {
    fn default() -> Self {
        Softmax { temperature: F::ONE, level: None }
    }
}

impl<F: Float> Softmax<F> {
    /// Writes the log-sum-exp of each row.
    ///
    /// ```
    /// # use fused_loss::Softmax;
    /// let mut log_sums = [0.0_f32; 2];
    /// Softmax::default().log_sum_exp(&[1.0, 1.0, -2.0, f32::NEG_INFINITY], 2, &mut log_sums)?;
    /// assert_eq!(log_sums, [1.6931472, -2.0]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn log_sum_exp(self, logits: &[F], classes: usize, into: &mut [F]) -> Result<(), Error<F>> {
        let (expected, found) = (self.check(logits, classes)?, into.len());
        if found != expected {
            return Err(Error::Rows { what: "log_sum_exp", expected, found });
        }
        self.run(logits, &mut [], into, classes, Form::None);
        Ok(())
    }

    /// Writes the softmax of each row.
    ///
    /// ```
    /// # use fused_loss::Softmax;
    /// let mut shares = [0.0_f32; 4];
    /// Softmax::default().softmax(&[1.0, 1.0, -2.0, f32::NEG_INFINITY], 2, &mut shares)?;
    /// assert_eq!(shares, [0.5, 0.5, 1.0, 0.0]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn softmax(self, logits: &[F], classes: usize, into: &mut [F]) -> Result<(), Error<F>> {
        self.write(logits, classes, into, Form::Softmax)
    }

    /// Writes the logarithm of the softmax of each row.
    ///
    /// ```
    /// # use fused_loss::Softmax;
    /// let mut logarithms = [0.0_f32; 2];
    /// Softmax::default().log_softmax(&[1.0, 1.0], 2, &mut logarithms)?;
    /// assert_eq!(logarithms, [-0.6931472; 2]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn log_softmax(self, logits: &[F], classes: usize, into: &mut [F]) -> Result<(), Error<F>> {
        self.write(logits, classes, into, Form::LogSoftmax)
    }

    /// Writes the softmax of each row over its logits.
    ///
    /// ```
    /// # use fused_loss::Softmax;
    /// let mut rows = [1.0_f32, 1.0];
    /// Softmax::default().softmax_in_place(&mut rows, 2)?;
    /// assert_eq!(rows, [0.5, 0.5]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn softmax_in_place(self, rows: &mut [F], classes: usize) -> Result<(), Error<F>> {
        self.write_in_place(rows, classes, Form::Softmax)
    }

    /// Writes the logarithm of the softmax of each row over its logits.
    ///
    /// ```
    /// # use fused_loss::Softmax;
    /// let mut rows = [1.0_f32, 1.0];
    /// Softmax::default().log_softmax_in_place(&mut rows, 2)?;
    /// assert_eq!(rows, [-0.6931472; 2]);
    /// # Ok::<(), fused_loss::Error<f32>>(())
    /// ```
    pub fn log_softmax_in_place(self, rows: &mut [F], classes: usize) -> Result<(), Error<F>> {
        self.write_in_place(rows, classes, Form::LogSoftmax)
    }

    /// How many rows there are.
    fn check(&self, logits: &[F], classes: usize) -> Result<usize, Error<F>> {
        TEMPERATURE.check(self.temperature)?;
        match logits.len().checked_rem(classes) {
            Some(0) => Ok(logits.len() / classes),
            _ => Err(Error::Classes { pred: logits.len(), classes }),
        }
    }

    fn write(self, logits: &[F], classes: usize, into: &mut [F], form: Form) -> Result<(), Error<F>> {
        self.check(logits, classes)?;
        let (what, expected, found) = ("output", logits.len(), into.len());
        if found != expected {
            return Err(Error::Length { what, expected, found });
        }
        self.run(logits, into, &mut [], classes, form);
        Ok(())
    }

    fn write_in_place(self, rows: &mut [F], classes: usize, form: Form) -> Result<(), Error<F>> {
        self.check(rows, classes)?;
        self.run(&[], rows, &mut [], classes, form);
        Ok(())
    }

    fn run(&self, numbers: &[F], into: &mut [F], log_sums: &mut [F], classes: usize, form: Form) {
        let logits = Logits::new(self.temperature, None);
        let shares = Shares { numbers, into, log_sums, classes, logits, form };
        shares.write(self.level.unwrap_or_else(Level::detect));
    }
}
