//! Dense layers with tanh between them. One layer alone is a linear model.

use std::ops::Range;

/// Layers of one size after the other; an argument `parameters` or `gradient` holds the weights and biases of all.
pub struct Network {
    layers: Vec<Layer>,
}

/// outputs = inputs weight + bias
struct Layer {
    inputs: usize,
    outputs: usize,
    /// Where its weights are among the parameters: a row of `outputs` for each input.
    weight: Range<usize>,
    bias: Range<usize>,
}

impl Network {
    /// `widths` begins with the number of features and ends with that of predictions.
    pub fn new(widths: &[usize]) -> Self {
        let mut start = 0;
        let layers = widths.windows(2).map(|pair| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let weight = start..start + inputs * outputs;
            start = weight.end + outputs;
            Layer { inputs, outputs, bias: weight.end..start, weight }
        });
        Network { layers: layers.collect() }
    }

    /// How many predictions a row has.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// How many parameters there are.
    pub fn parameters(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bias.end)
    }

    /// Where the weights and the biases of each layer are among the parameters.
    pub fn ranges(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        self.layers.iter().map(|layer| (layer.weight.clone(), layer.bias.clone()))
    }

    /// The parameters to start from: zero for a linear model. Units between layers must differ from each other, so the
    /// weights of several layers are seeded, and as large as keeps the scale of what goes through (Glorot and Bengio 2010).
    pub fn start(&self) -> Vec<f64> {
        let mut parameters = vec![0.0; self.parameters()];
        let mut random = Random(1);
        for layer in self.layers.iter().filter(|_| self.layers.len() > 1) {
            let most = (6.0 / (layer.inputs + layer.outputs) as f64).sqrt();
            parameters[layer.weight.clone()].fill_with(|| most * (2.0 * random.unit() - 1.0));
        }
        parameters
    }

    /// What each layer gives for the rows; the last are the predictions.
    pub fn forward(&self, features: &[f64], parameters: &[f64]) -> Vec<Vec<f64>> {
        let mut all = Vec::<Vec<f64>>::new();
        for layer in &self.layers {
            let inputs = all.last().map_or(features, Vec::as_slice);
            let mut outputs = layer.forward(inputs, parameters);
            if all.len() + 1 < self.layers.len() {
                // Not the standard library's, which is another one on every system.
                outputs.iter_mut().for_each(|x| *x = libm::tanh(*x));
            }
            all.push(outputs);
        }
        all
    }

    /// Adds the gradient by the parameters, of which `slope` is that by the predictions, and `outputs` what
    /// [`forward`](Self::forward) gave.
    pub fn backward(
        &self,
        features: &[f64],
        outputs: &[Vec<f64>],
        parameters: &[f64],
        mut slope: Vec<f64>,
        gradient: &mut [f64],
    ) {
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let Some(before) = index.checked_sub(1) else {
                return layer.add_gradient(features, &slope, gradient);
            };
            let inputs = &outputs[before];
            layer.add_gradient(inputs, &slope, gradient);
            slope = layer.backward(&slope, parameters);
            // The derivative of tanh.
            slope.iter_mut().zip(inputs).for_each(|(s, h)| *s *= 1.0 - h * h);
        }
    }
}

impl Layer {
    fn forward(&self, inputs: &[f64], parameters: &[f64]) -> Vec<f64> {
        let (weight, bias) = (&parameters[self.weight.clone()], &parameters[self.bias.clone()]);
        let mut outputs = bias.repeat(inputs.len() / self.inputs);
        for (row, output) in inputs.chunks(self.inputs).zip(outputs.chunks_mut(self.outputs)) {
            for (&x, weight) in row.iter().zip(weight.chunks(self.outputs)) {
                add(output, x, weight);
            }
        }
        outputs
    }

    fn add_gradient(&self, inputs: &[f64], slope: &[f64], gradient: &mut [f64]) {
        for (row, slope) in inputs.chunks(self.inputs).zip(slope.chunks(self.outputs)) {
            for (&x, by_weight) in row.iter().zip(gradient[self.weight.clone()].chunks_mut(self.outputs)) {
                add(by_weight, x, slope);
            }
            add(&mut gradient[self.bias.clone()], 1.0, slope);
        }
    }

    /// The slopes by the inputs.
    fn backward(&self, slope: &[f64], parameters: &[f64]) -> Vec<f64> {
        let weight = &parameters[self.weight.clone()];
        let rows = slope.chunks(self.outputs);
        rows.flat_map(|slope| weight.chunks(self.outputs).map(|weight| dot(weight, slope))).collect()
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn add(to: &mut [f64], factor: f64, other: &[f64]) {
    to.iter_mut().zip(other).for_each(|(to, other)| *to += factor * other);
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    /// From 0 to 1, 1 left out.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
