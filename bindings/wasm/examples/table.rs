//! What the tests compare the module with, as JSON: results of the host's portable level, and texts of errors.
//!
//! Single numbers are bit patterns in hexadecimal digits, arrays the FNV-1a hash of those; NaN is written as one NaN. Inputs
//! are drawn anew from a case's seed by the tests, as they are here.

use fused_loss::{
    AnyLoss, AnyRowLoss, Batch, Elementwise, Error, Float, Level, RowLoss, RowLosses, RowTargets, Rowwise,
    Softmax, Targets,
};

fn main() {
    let mut cases = Vec::new();
    numbers::<f32>(&mut cases);
    numbers::<f64>(&mut cases);
    let (mut errors, mut floats) = (Vec::new(), Vec::new());
    texts::<f32>(&mut errors, &mut floats);
    texts::<f64>(&mut errors, &mut floats);
    println!("{{\"cases\": [\n{}\n],", cases.join(",\n"));
    println!("\"errors\": [\n{}\n],", errors.join(",\n"));
    println!("\"floats\": [\n{}\n]}}", floats.join(",\n"));
}

/// Numbers that are the same in every run, and in JavaScript.
struct Random(u32);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / 4_294_967_296.0
    }

    /// From `low` to `high`.
    fn between<F: Float>(&mut self, low: f64, high: f64, count: usize) -> Vec<F> {
        (0..count).map(|_| F::from_f64(low + (high - low) * self.next())).collect()
    }

    fn labels(&mut self, classes: usize, count: usize) -> Vec<u16> {
        (0..count).map(|_| (self.next() * classes as f64) as u16).collect()
    }

    fn bits(&mut self) -> u64 {
        let mut half = || (self.next() * 4_294_967_296.0) as u64;
        half() << 32 | half()
    }
}

fn pattern<F: Float>(x: F) -> u64 {
    if x.nan() { F::NAN.to_pattern() } else { x.to_pattern() }
}

fn hex<F: Float>(x: F) -> String {
    format!("\"{:0width$x}\"", pattern(x), width = F::BITS as usize / 4)
}

fn hash<F: Float>(numbers: &[F]) -> u32 {
    let bytes = |&x: &F| pattern(x).to_le_bytes().into_iter().take(F::BITS as usize / 8);
    numbers
        .iter()
        .flat_map(bytes)
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Results of every loss.
fn numbers<F: Float>(cases: &mut Vec<String>) {
    let portable = Level::find("portable").expect("every target has it");
    for loss in AnyLoss::<F>::list() {
        let probabilities = matches!(loss.name, "bce" | "categorical-cross-entropy");
        let (low, high) = if probabilities { (0.0, 1.0) } else { (-6.0, 6.0) };
        for count in [1, 2, 3, 5, 17, 32, 33, 100, 1_000, 20_000] {
            let mut random = Random(count as u32);
            let (pred, target): (Vec<F>, Vec<F>) =
                (random.between(low, high, count), random.between(0.0, 1.0, count));
            let weights = random.between(0.5, 2.0, count);
            let (mut grad, mut losses) = (vec![F::ZERO; count], vec![F::ZERO; count]);
            let any = AnyLoss::named(loss.name, |_| None).expect("it is in the list");
            let batch = any.batch(&pred, &target).level(portable).gradient(&mut grad);
            // All options at some lengths, none at others: they are loops of their own.
            let all = count % 2 == 1;
            let batch = if all { batch.losses(&mut losses).weights(&weights) } else { batch };
            let value = batch.mean().expect("values lie in the domains");
            cases.push(format!(
                "{{\"name\": \"{}\", \"type\": \"{}\", \"low\": {low}, \"high\": {high}, \"count\": {count}, \
                 \"all\": {all}, \"value\": {}, \"grad\": {}, \"losses\": {}}}",
                loss.name,
                F::NAME,
                hex(value),
                hash(&grad),
                hash(&losses),
            ));
        }
    }
    for (rows, classes) in [(1, 2), (5, 3), (70, 10), (33, 32), (9, 33), (6, 100), (1, 5_000)] {
        let mut random = Random(classes as u32);
        let logits: Vec<F> = random.between(-8.0, 8.0, rows * classes);
        let p: Vec<F> = random.between(0.01, 1.0, rows * classes);
        let labels = random.labels(classes, rows);
        let shape = format!("\"type\": \"{}\", \"rows\": {rows}, \"classes\": {classes}", F::NAME);
        for loss in AnyRowLoss::<F>::list() {
            for labelled in [true, false] {
                let any = AnyRowLoss::named(loss.name, |_| None).expect("it is in the list");
                let rows = any.rows(&logits, classes);
                let mut batch = if labelled { rows.labels(&labels) } else { rows.targets(&p) };
                let (mut sums, mut hits) = (vec![F::ZERO; labels.len()], vec![false; labels.len()]);
                let takes_logits = any.takes_logits();
                if takes_logits {
                    batch = batch.log_sum_exp(&mut sums).hits(&mut hits);
                }
                let case = finish(batch.level(portable), logits.len(), labels.len());
                let hits = hits.iter().filter(|&&hit| hit).count();
                cases.push(format!(
                    "{{\"name\": \"{}\", {shape}, \"labelled\": {labelled}, {case}, \"takesLogits\": {takes_logits}, \
                     \"logSumExp\": {}, \"hits\": {hits}}}",
                    loss.name,
                    hash(&sums),
                ));
            }
        }
        for loss in AnyLoss::<F>::list().filter(|loss| loss.rows || loss.name == "mse") {
            let any = AnyLoss::named(loss.name, |_| None).expect("it is in the list");
            let batch = Rowwise::rows(any, &p, classes).labels(&labels).level(portable);
            let case = finish(batch, p.len(), labels.len());
            cases.push(format!(
                "{{\"name\": \"{}\", {shape}, \"probabilities\": true, \"labelled\": true, {case}}}",
                loss.name
            ));
        }
        let softmax = Softmax { temperature: F::ONE, level: Some(portable) };
        let (mut shares, mut logs, mut sums) =
            (logits.clone(), vec![F::ZERO; logits.len()], vec![F::ZERO; rows]);
        softmax.softmax_in_place(&mut shares, classes).expect("whole rows");
        softmax.log_softmax(&logits, classes, &mut logs).expect("whole rows");
        softmax.log_sum_exp(&logits, classes, &mut sums).expect("whole rows");
        cases.push(format!(
            "{{\"name\": \"softmax\", {shape}, \"softmax\": {}, \"logSoftmax\": {}, \"logSumExp\": {}}}",
            hash(&shares),
            hash(&logs),
            hash(&sums),
        ));
    }
}

/// The mean, the gradient and the losses of rows.
fn finish<F: Float, L: Copy>(
    batch: Batch<'_, L, F, RowTargets<'_, F>>,
    elements: usize,
    rows: usize,
) -> String
where
    for<'a> RowTargets<'a, F>: Targets<L, F>,
{
    let (mut grad, mut losses) = (vec![F::ZERO; elements], vec![F::ZERO; rows]);
    let value = batch.gradient(&mut grad).losses(&mut losses).mean().expect("it is in order");
    format!("\"value\": {}, \"grad\": {}, \"losses\": {}", hex(value), hash(&grad), hash(&losses))
}

/// Texts of every error, and of many floats.
fn texts<F: Float>(errors: &mut Vec<String>, floats: &mut Vec<String>) {
    let value = F::from_f64(-1.0e-7);
    let (what, name, domain) = ("gradient", "delta", "finite and positive");
    for error in [
        Error::Length { what, expected: 3, found: 4_000_000_000 },
        Error::Classes { pred: 7, classes: 3 },
        Error::Stride { stride: 2, classes: 3 },
        Error::ClassWeights { classes: 3, found: 2 },
        Error::ClassWeight { class: 1, value: F::NAN },
        Error::Rows { what: "labels", expected: 3, found: 2 },
        Error::Label { index: 5, value: i128::from(u64::MAX), classes: 3 },
        Error::Label { index: 5, value: i128::from(i64::MIN), classes: 3 },
        Error::Empty,
        Error::NoWeights,
        Error::Unsupported { what: "hits" },
        Error::Parameter { name, value, domain },
        Error::Pred { index: 3, value },
        Error::Target { index: 3, value: F::INFINITY },
        Error::Weight { index: 3, value: -F::INFINITY },
    ] {
        let debug = format!("{error:?}");
        let kind = debug.split(' ').next().unwrap_or_default();
        let text = error.to_string();
        errors.push(format!("{{\"type\": \"{}\", \"kind\": \"{kind}\", \"text\": {text:?}}}", F::NAME));
    }
    let mut random = Random(7);
    let powers = (0_u64..1 << (F::BITS - F::SIGNIFICAND)).map(|exponent| exponent << (F::SIGNIFICAND - 1));
    let beside = powers.flat_map(|bits| [bits, bits + 1, bits.saturating_sub(1)]);
    let others = (0..500).map(|_| random.bits());
    let patterns =
        beside.step_by(if F::BITS == 32 { 1 } else { 17 }).chain(others.map(|bits| bits >> (64 - F::BITS)));
    for x in patterns.map(F::from_pattern).chain([0.1, 0.5, 1.0, 1.5, 100.0, 1e20, 123456.0].map(F::from_f64))
    {
        floats.push(format!("[\"{}\", {}, \"{x}\"]", F::NAME, hex(x)));
    }
}
