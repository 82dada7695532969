//! A loss of your own, outside the crate: log-cosh in ten lines, on every level, with every reduction and output.
//!
//! Run with `cargo run --release --example new_loss`.
//!
//! Why `#[inline(always)]`? A level's instructions are switched on for one function, the door into the kernel. Code
//! that is inlined into it is compiled with them; code that stays a call is compiled without, and passes its registers
//! through memory: up to 36 times slower, in silence. So `at` bears the attribute, and so does every function over
//! lanes that it calls. Closures cannot bear it: write functions.

use fused_loss::{Elementwise, Float, Lanes, Level, Loss, math};

/// ln(cosh(r)) with r = pred - target, as |r| + ln(1 + e^(-2|r|)) - ln 2: no overflow for any r.
#[derive(Clone, Copy)]
struct LogCosh;

impl<F: Float> Loss<F> for LogCosh {
    #[inline(always)]
    fn at<V: Lanes<Elem = F>>(self, pred: V, target: V) -> (V, V) {
        let residual = pred - target;
        let distance = residual.abs();
        let e = math::exp_nonpositive(-(distance + distance));
        let loss = distance + (math::ln_1p_unit(e) - distance.splat(F::from_f64(core::f64::consts::LN_2)));
        let slope = math::div_one_plus(distance.splat(F::ONE) - e, e); // tanh |r|
        (loss, slope.copysign(residual))
    }

    fn definition(self, pred: f64, target: f64) -> f64 {
        (pred - target).cosh().ln()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pred: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin() * 3.0).collect();
    let target = vec![0.5; pred.len()];
    let definition = |(&p, &y): (&f32, &f32)| Loss::<f32>::definition(LogCosh, p.into(), y.into());
    let plain: f64 = pred.iter().zip(&target).map(definition).sum();
    println!("definition in f64  {:.9}", plain / pred.len() as f64);
    for level in Level::available() {
        let mut grad = vec![0.0; pred.len()];
        let mean = LogCosh.batch(&pred, &target).gradient(&mut grad).level(level).mean()?;
        println!("{:<18} {mean:.9}, first slopes {:?}", level.name(), &grad[..2]);
    }
    Ok(())
}
