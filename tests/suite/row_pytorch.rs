//! Every option's convention, against what PyTorch gives in f64. `tests/suite/pytorch/row_values.py` made the values.

use fused_loss::{JensenShannon, Level, NegativeLogLikelihood, Smoothing, SoftmaxCrossEntropy, SoftmaxKl};

use crate::support::row_call::{End, Out, RowCall, To};
use crate::support::row_reference::RowCase;
use crate::support::row_samples::KINDS;

const VALUES: &str = include_str!("pytorch/row_values.tsv");

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

    fn options(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.text("options").split_whitespace().map(|one| one.split_once('=').expect("a value"))
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options().find(|(given, _)| *given == name).map(|(_, value)| value)
    }

    fn number(&self, name: &str, default: f64) -> f64 {
        self.option(name).map_or(default, |value| value.parse().expect(name))
    }

    fn case(&self) -> RowCase<f64> {
        let temperature = self.number("temperature", 1.0);
        let kind = || {
            let names = ["probabilities", "log-probabilities", "logits"];
            KINDS[names.iter().position(|name| self.option("kind") == Some(name)).expect("a kind")]
        };
        let ignore_index = Some(self.number("ignore_index", -100.0) as i64);
        match self.text("loss") {
            "softmax-cross-entropy" => {
                let (amount, others) =
                    (self.number("label_smoothing", 0.0), self.number("smoothing_others", 0.0));
                let smoothing = if others == 0.0 {
                    Smoothing::AllClasses(amount)
                } else {
                    Smoothing::OtherClasses(amount)
                };
                let soft_cap = self.option("soft_cap").map(|cap| cap.parse().expect("a number"));
                let z_loss = self.number("z_loss", 0.0);
                RowCase::CrossEntropy(SoftmaxCrossEntropy {
                    ignore_index,
                    smoothing,
                    z_loss,
                    soft_cap,
                    temperature,
                })
            }
            "nll" => RowCase::Nll(NegativeLogLikelihood { ignore_index }),
            "softmax-kl" => RowCase::Kl(SoftmaxKl { targets: kind(), temperature }),
            "softmax-js" => RowCase::Js(JensenShannon {
                targets: kind(),
                beta: self.number("beta", f64::NAN),
                temperature,
            }),
            name => panic!("no loss {name}"),
        }
    }
}

fn lines() -> impl Iterator<Item = Line<'static>> {
    VALUES.lines().skip(2).map(|line| Line(line.split('\t').collect()))
}

/// PyTorch subtracts rounded parts.
fn near(found: f64, expected: f64) -> bool {
    found == expected
        || found.is_nan() && expected.is_nan()
        || (found - expected).abs() <= 1e-13 * (1.0 + expected.abs())
}

#[test]
fn values_are_those_of_pytorch() {
    let mut broken = Vec::new();
    for line in lines() {
        let (logits, target) = (line.numbers("pred"), line.numbers("target"));
        let (weights, class_weights) = (line.numbers("weights"), line.numbers("class_weights"));
        let labels: Vec<i64> = line.numbers("labels").into_iter().map(|label| label as i64).collect();
        let classes: usize = line.text("classes").parse().expect("a number");
        let call = RowCall {
            case: line.case(),
            logits: &logits,
            classes,
            stride: classes,
            to: if labels.is_empty() { To::Targets(&target) } else { To::Labels(&labels) },
            weights: (!weights.is_empty()).then_some(&weights[..]),
            class_weights: (!class_weights.is_empty()).then_some(&class_weights[..]),
            scale: 1.0,
        };
        let end = if line.text("end") == "sum" { End::Sum } else { End::Mean };
        for level in Level::available() {
            let what =
                format!("{} {} {}, {level}", line.text("loss"), line.text("options"), line.text("end"));
            let (mut grad, mut each) = (vec![9.0; logits.len()], vec![9.0; logits.len() / classes]);
            let mut log_sums = each.clone();
            let out = Out {
                gradient: Some(&mut grad),
                losses: Some(&mut each),
                log_sums: Some(&mut log_sums),
                ..Out::default()
            };
            let value = call.run(level, end, out).unwrap_or_else(|error| panic!("{what}: {error}")).value();
            let ours = [(vec![value], "value"), (grad, "grad"), (each, "each"), (log_sums, "lse")];
            for (found, name) in ours {
                let expected = line.numbers(name);
                if name == "lse" && line.text("loss") == "nll" {
                    continue;
                }
                assert_eq!(found.len(), expected.len(), "{what}: {name}");
                for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
                    if !near(found, expected) {
                        broken.push(format!("{what}: {name} {i} is {found:?}, PyTorch's {expected:?}\n"));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.concat());
}

/// An option whose lines went missing is no longer compared.
#[test]
fn every_option_is_compared() {
    let options: [(&str, &[&str]); 4] = [
        (
            "softmax-cross-entropy",
            &["ignore_index", "label_smoothing", "smoothing_others", "z_loss", "soft_cap", "temperature"],
        ),
        ("nll", &["ignore_index"]),
        ("softmax-kl", &["kind", "temperature"]),
        ("softmax-js", &["kind", "beta", "temperature"]),
    ];
    for (loss, options) in options {
        let of_loss = || lines().filter(|line| line.text("loss") == loss);
        for option in options {
            let mut values: Vec<_> = of_loss().filter_map(|line| line.option(option)).collect();
            values.sort_unstable();
            values.dedup();
            assert!(values.len() >= 2, "{loss}: {option} is only {values:?}");
        }
        assert!(of_loss().flat_map(|line| line.options()).all(|(name, _)| options.contains(&name)), "{loss}");
        assert!(of_loss().filter(|line| !line.text("weights").is_empty()).count() >= 2, "{loss}: weights");
        if ["softmax-cross-entropy", "nll"].contains(&loss) {
            let weighted = of_loss().filter(|line| !line.text("class_weights").is_empty()).count();
            assert!(weighted >= 2, "{loss}: class weights");
            assert!(of_loss().filter(|line| !line.text("labels").is_empty()).count() >= 2, "{loss}: labels");
        }
        if loss != "nll" {
            assert!(of_loss().filter(|line| !line.text("target").is_empty()).count() >= 2, "{loss}: targets");
        }
    }
}
