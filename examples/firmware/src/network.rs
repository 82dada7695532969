//! A network of one hidden layer that learns whether a point lies inside a ring: all of its training, on any machine.

use fused_loss::{BceWithLogits, Elementwise, Error, Level};

const POINTS: usize = 64;
const HIDDEN: usize = 12;
pub const EPOCHS: usize = 20;

#[derive(Clone, Copy, Default)]
struct Unit {
    weights: [f32; 2],
    bias: f32,
    out: f32,
}

pub struct Network {
    points: [[f32; 2]; POINTS],
    labels: [f32; POINTS],
    units: [Unit; HIDDEN],
    bias: f32,
}

impl Network {
    pub fn new() -> Self {
        let mut state = 1_u32;
        // Numbers from -1 to 1 (the generator is that of Numerical Recipes).
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let points = core::array::from_fn(|_| [random(), random()]);
        let inside = |[x, y]: [f32; 2]| if x * x + y * y < 0.5 { 1.0 } else { 0.0 };
        let unit = |_| Unit { weights: [random(), random()], bias: random(), out: random() };
        Network { points, labels: points.map(inside), units: core::array::from_fn(unit), bias: 0.0 }
    }

    /// One step over all points: the loss before it.
    pub fn step(&mut self, rate: f32) -> Result<f32, Error<f32>> {
        let hidden =
            |unit: &Unit, [x, y]: [f32; 2]| (unit.weights[0] * x + unit.weights[1] * y + unit.bias).max(0.0);
        let logit =
            |point| self.units.iter().fold(self.bias, |sum, unit| sum + unit.out * hidden(unit, point));
        let mut rows = self.points.map(logit);

        // The loss; its gradient takes the place of the logits. The level is that of microcontrollers on every machine.
        let batch = BceWithLogits::default().batch_in_place(&mut rows, &self.labels);
        let loss = match Level::find("scalar") {
            Some(scalar) if !cfg!(target_os = "none") => batch.level(scalar),
            _ => batch,
        }
        .mean()?;

        for (grad, point) in rows.into_iter().zip(self.points) {
            self.bias -= rate * grad;
            for unit in &mut self.units {
                let active = hidden(unit, point);
                let back = if active > 0.0 { grad * unit.out } else { 0.0 };
                unit.out -= rate * grad * active;
                unit.bias -= rate * back;
                unit.weights[0] -= rate * back * point[0];
                unit.weights[1] -= rate * back * point[1];
            }
        }
        Ok(loss)
    }
}
