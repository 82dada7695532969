//! Every option's convention, against what PyTorch gives in f64. `tests/suite/pytorch/values.py` made the values.

use fused_loss::{AnyLoss, Batch, Elementwise, Error, Level, Rowwise};

const VALUES: &str = include_str!("pytorch/values.tsv");

/// A line of the file: a call, and what came of it.
struct Line<'a>(Vec<&'a str>);

impl<'a> Line<'a> {
    fn text(&self, name: &str) -> &'a str {
        let names = VALUES.lines().nth(1).expect("the names of the fields");
        self.0[names.split('\t').position(|field| field == name).expect("a field")]
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.text(name).split_whitespace().map(|number| number.parse().expect(name)).collect()
    }

    fn loss(&self) -> AnyLoss<f64> {
        let parameters: Vec<_> =
            self.text("parameters").split_whitespace().map(|one| one.split_once('=').unwrap()).collect();
        let name = self.text("loss");
        let entry = AnyLoss::<f64>::list().find(|entry| entry.name == name).expect(name);
        for (given, _) in &parameters {
            assert!(
                entry.parameters.iter().any(|parameter| parameter.name == *given),
                "{name} has no {given}"
            );
        }
        AnyLoss::named(name, |parameter| {
            let (_, value) = parameters.iter().find(|(given, _)| *given == parameter.name)?;
            Some(value.parse().expect("a number"))
        })
        .expect("of the list")
    }

    fn what(&self) -> String {
        ["loss", "parameters", "end", "weights"].map(|name| self.text(name)).join(" ")
    }
}

fn lines() -> impl Iterator<Item = Line<'static>> {
    VALUES.lines().skip(2).map(|line| Line(line.split('\t').collect()))
}

/// What the crate gives of the same call: value, losses, gradient.
fn ours(line: &Line, level: Level) -> [Vec<f64>; 3] {
    let (loss, pred, target, weights) =
        (line.loss(), line.numbers("pred"), line.numbers("target"), line.numbers("weights"));
    // Rows of classes only for what comes as rows: the batch mean divides by rows of any loss.
    let classes: Option<usize> = line.text("classes").parse().ok();
    let rows = classes.map_or(1, |classes| pred.len() / classes);
    let labels: Vec<u16> = line.numbers("labels").into_iter().map(|label| label as u16).collect();
    let by_row = line.text("loss") == "categorical-cross-entropy";
    let mut losses = vec![9.0; if by_row { rows } else { pred.len() }];
    let mut grad = vec![9.0; pred.len()];
    macro_rules! finish {
        ($batch:expr) => {{
            let mut batch: Batch<'_, _, _, _> = $batch.level(level).losses(&mut losses).gradient(&mut grad);
            if !weights.is_empty() {
                batch = batch.weights(&weights);
            }
            match line.text("end") {
                "sum" => batch.sum(),
                "mean" => batch.mean(),
                "batch-mean" => batch.mean_over(rows),
                end => panic!("no end {end}"),
            }
        }};
    }
    let value: Result<f64, Error<f64>> = match (by_row, classes) {
        (true, Some(classes)) if labels.is_empty() => finish!(loss.rows(&pred, classes).targets(&target)),
        (true, Some(classes)) => finish!(loss.rows(&pred, classes).labels(&labels)),
        _ => finish!(loss.batch(&pred, &target)),
    };
    let value = value.unwrap_or_else(|error| panic!("{}: {error}", line.what()));
    [vec![value], losses, grad]
}

/// Conventions, not accuracy: PyTorch subtracts rounded parts.
fn near(found: f64, expected: f64) -> bool {
    found == expected
        || found.is_nan() && expected.is_nan()
        || (found - expected).abs() <= 1e-14 * (1.0 + expected.abs())
}

#[test]
fn values_are_those_of_pytorch() {
    let mut broken = Vec::new();
    for (line, level) in
        lines().flat_map(|line| Level::available().map(move |level| (Line(line.0.clone()), level)))
    {
        for (found, name) in ours(&line, level).iter().zip(["value", "each", "grad"]) {
            let expected = line.numbers(name);
            if expected.is_empty() && name == "grad" {
                continue;
            }
            assert_eq!(found.len(), expected.len(), "{}: {name}", line.what());
            for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
                if !near(found, expected) {
                    broken.push(format!(
                        "{} on {level}: {name} {i} is {found:?}, PyTorch's {expected:?}\n",
                        line.what()
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.concat());
}

/// A loss whose line went missing is no longer compared.
#[test]
fn every_loss_and_option_is_compared() {
    let of = |loss: &str| lines().filter(|line| line.text("loss") == loss).count();
    for entry in AnyLoss::<f64>::list() {
        // Half the square is no loss of PyTorch.
        assert!(of(entry.name) >= 3 || entry.name == "half-mse", "{}: {} calls", entry.name, of(entry.name));
        for parameter in entry.parameters {
            let mut values: Vec<_> = lines()
                .filter(|line| line.text("loss") == entry.name)
                .flat_map(|line| line.text("parameters").split_whitespace())
                .filter_map(|one| one.split_once('=').filter(|(name, _)| *name == parameter.name))
                .map(|(_, value)| value)
                .collect();
            values.sort_unstable();
            values.dedup();
            assert!(values.len() >= 2, "{}: {} is only {values:?}", entry.name, parameter.name);
        }
    }
}
