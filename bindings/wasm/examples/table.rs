//! What the tests compare the module with, as JSON: results of the host's portable level, and texts of errors.
//!
//! Numbers are bit patterns, in hexadecimal digits; NaN is written as one NaN.

use std::fmt::Write as _;

use fused_loss::{
    AnyLoss, AnyRowLoss, Batch, Elementwise, Error, Float, Level, RowLosses, RowTargets, Rowwise, Softmax, Targets,
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

fn portable() -> Level {
    Level::find("portable").expect("every target has it")
}

/// Numbers that differ from case to case, and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// From `low` to `high`.
    fn between<F: Float>(&mut self, low: f64, high: f64, count: usize) -> Vec<F> {
        let mut one = || F::from_f64(low + (high - low) * self.next() as f64 / (1_u64 << 31) as f64);
        (0..count).map(|_| one()).collect()
    }

    fn labels(&mut self, classes: usize, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() % classes as u64) as u8).collect()
    }
}

fn hex<F: Float>(numbers: &[F]) -> String {
    let mut text = String::from("\"");
    for &x in numbers {
        let bits = if x.nan() { F::NAN.to_pattern() } else { x.to_pattern() };
        write!(text, "{bits:0width$x}", width = F::BITS as usize / 4).expect("strings take all");
    }
    text + "\""
}

/// Results of every loss.
fn numbers<F: Float>(cases: &mut Vec<String>) {
    let mut random = Random(F::BITS.into());
    for loss in AnyLoss::<F>::list() {
        for count in [1, 2, 3, 5, 17, 32, 33, 100, 1_000, 20_000] {
            let weighted = count == 17 || count == 100;
            // Where the loss has a domain, it is at most that of probabilities.
            let domain = if matches!(loss.name, "bce" | "categorical-cross-entropy") { (0.0, 1.0) } else { (-6.0, 6.0) };
            let pred: Vec<F> = random.between(domain.0, domain.1, count);
            let target: Vec<F> = random.between(0.0, 1.0, count);
            let weights: Vec<F> = random.between(0.5, 2.0, count);
            let any = AnyLoss::named(loss.name, |_| None).expect("it is in the list");
            let (mut grad, mut losses) = (vec![F::ZERO; count], vec![F::ZERO; count]);
            let mut batch = any.batch(&pred, &target).gradient(&mut grad);
            if weighted {
                batch = batch.weights(&weights);
            }
            if count != 32 {
                batch = batch.losses(&mut losses);
            }
            let value = batch.level(portable()).mean().expect("values lie in the domains");
            let weights = if weighted { hex(&weights) } else { "null".into() };
            let losses = if count != 32 { hex(&losses) } else { "null".into() };
            cases.push(format!(
                "{{\"name\": \"{}\", \"type\": \"{}\", \"pred\": {}, \"target\": {}, \"weights\": {weights}, \
                 \"value\": {}, \"grad\": {}, \"losses\": {losses}}}",
                loss.name,
                F::NAME,
                hex(&pred),
                hex(&target),
                hex(&[value]),
                hex(&grad),
            ));
        }
    }
    for (rows, classes) in [(1, 2), (5, 3), (70, 10), (33, 32), (9, 33), (6, 100), (1, 5_000)] {
        let logits: Vec<F> = random.between(-8.0, 8.0, rows * classes);
        let p: Vec<F> = random.between(0.01, 1.0, rows * classes);
        let labels = random.labels(classes.min(256), rows);
        for loss in AnyRowLoss::<F>::list() {
            let any = || AnyRowLoss::named(loss.name, |_| None).expect("it is in the list");
            let takes = !matches!(loss.name, "nll");
            for labelled in [true, false] {
                let batch = match labelled {
                    true => any().rows(&logits, classes).labels(&labels),
                    false => any().rows(&logits, classes).targets(&p),
                };
                cases.push(row_case(loss.name, &logits, classes, (!labelled).then_some(&p), &labels, takes, batch));
            }
        }
        for loss in AnyLoss::<F>::list().filter(|loss| loss.rows || loss.name == "mse") {
            let any = AnyLoss::named(loss.name, |_| None).expect("it is in the list");
            let batch = Rowwise::rows(any, &p, classes).labels(&labels);
            cases.push(row_case_without(loss.name, &p, classes, &labels, batch));
        }
        let softmax = Softmax { temperature: F::ONE, level: Some(portable()) };
        let (mut shares, mut logs, mut sums) =
            (logits.clone(), vec![F::ZERO; logits.len()], vec![F::ZERO; rows]);
        softmax.softmax_in_place(&mut shares, classes).expect("whole rows");
        softmax.log_softmax(&logits, classes, &mut logs).expect("whole rows");
        softmax.log_sum_exp(&logits, classes, &mut sums).expect("whole rows");
        cases.push(format!(
            "{{\"name\": \"softmax\", \"type\": \"{}\", \"classes\": {classes}, \"pred\": {}, \"softmax\": {}, \
             \"logSoftmax\": {}, \"logSumExp\": {}}}",
            F::NAME,
            hex(&logits),
            hex(&shares),
            hex(&logs),
            hex(&sums),
        ));
    }
}

fn row_case<F: Float>(
    name: &str,
    pred: &[F],
    classes: usize,
    target: Option<&Vec<F>>,
    labels: &[u8],
    takes_logits: bool,
    batch: Batch<'_, AnyRowLoss<F>, F, RowTargets<'_, F>>,
) -> String {
    let (mut sums, mut hits) = (vec![F::ZERO; labels.len()], vec![false; labels.len()]);
    let batch = if takes_logits { batch.log_sum_exp(&mut sums).hits(&mut hits) } else { batch };
    let case = finish(name, pred, classes, target, labels, batch);
    let hits: Vec<u8> = hits.into_iter().map(u8::from).collect();
    let more = if takes_logits { format!(", \"logSumExp\": {}, \"hits\": {hits:?}", hex(&sums)) } else { "".into() };
    format!("{{{case}{more}}}")
}

fn row_case_without<F: Float, L: Copy>(
    name: &str,
    pred: &[F],
    classes: usize,
    labels: &[u8],
    batch: Batch<'_, L, F, RowTargets<'_, F>>,
) -> String
where
    for<'a> RowTargets<'a, F>: Targets<L, F>,
{
    format!("{{{}}}", finish(name, pred, classes, None, labels, batch))
}

fn finish<F: Float, L: Copy>(
    name: &str,
    pred: &[F],
    classes: usize,
    target: Option<&Vec<F>>,
    labels: &[u8],
    batch: Batch<'_, L, F, RowTargets<'_, F>>,
) -> String
where
    for<'b> RowTargets<'b, F>: Targets<L, F>,
{
    let (mut grad, mut losses) = (vec![F::ZERO; pred.len()], vec![F::ZERO; labels.len()]);
    let value = batch.gradient(&mut grad).losses(&mut losses).level(portable()).mean().expect("it is in order");
    format!(
        "\"name\": \"{name}\", \"type\": \"{}\", \"classes\": {classes}, \"pred\": {}, \"target\": {}, \
         \"labels\": {labels:?}, \"value\": {}, \"grad\": {}, \"losses\": {}",
        F::NAME,
        hex(pred),
        target.map_or("null".into(), |target| hex(target)),
        hex(&[value]),
        hex(&grad),
        hex(&losses),
    )
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
    let others = (0..2_000).map(|_| random.next() << 33 ^ random.next() << 15 ^ random.next());
    let patterns = beside.step_by(if F::BITS == 32 { 1 } else { 7 }).chain(others.map(|bits| bits >> (64 - F::BITS)));
    for x in patterns.map(F::from_pattern).chain([0.1, 0.5, 1.0, 1.5, 100.0, 1e20, 123456.0].map(F::from_f64)) {
        floats.push(format!("[\"{}\", {}, \"{x}\"]", F::NAME, hex(&[x])));
    }
}
