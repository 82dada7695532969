//! `eval`: a loss of arrays in files. Open and check everything, read, run, write beside the outputs' places, report,
//! and only then rename.

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use fused_loss::{Error, Float, Level, Total};

use crate::console;
use crate::losses::{Choice, Chosen, explain};
use crate::machine::Machine;
use crate::npy::{self, Dtype, Npy, shape_text};
use crate::output::{self, Output};
use crate::parallel::{self, Part, Target};
use crate::report::{Number, Report, bits};

/// Compute a loss of .npy files, and its gradient
#[derive(clap::Args)]
pub struct Args {
    /// The predictions, of dtype f4 or f8: it decides the precision
    #[arg(long, value_name = "P.npy")]
    pred: PathBuf,
    /// The targets, of the predictions' shape; for a loss of rows of classes also labels (u1, u2, u4, u8, i4 or
    /// i8), one a row
    #[arg(long, value_name = "T.npy")]
    target: PathBuf,
    /// A weight for each loss: for each element, or for each row
    #[arg(long, value_name = "W.npy", required_if_eq("reduction", "weighted-mean"))]
    weights: Option<PathBuf>,
    /// Where to write the gradient of the value (of the sum with `--reduction none`)
    #[arg(long, value_name = "G.npy")]
    grad: Option<PathBuf>,
    /// Where to write each loss, of an element or a row, weighted but not scaled
    #[arg(long, value_name = "E.npy")]
    each: Option<PathBuf>,
    /// What the gradient is multiplied by
    #[arg(long, value_name = "S", default_value = "1", allow_hyphen_values = true)]
    scale: f64,
    /// How the losses become one value
    #[arg(long, value_enum, default_value = "mean")]
    reduction: Reduction,
    #[command(flatten)]
    machine: Machine,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq)]
enum Reduction {
    /// The sum
    Sum,
    /// The sum over the number of elements, or of rows that take part; over the sum of their labels' class weights
    Mean,
    /// The sum over the length of the first axis
    BatchMean,
    /// The sum over the sum of the weights; with class weights, of the products of both
    WeightedMean,
    /// No value
    None,
}

impl Reduction {
    fn name(self) -> &'static str {
        match self {
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::BatchMean => "batch mean",
            Reduction::WeightedMean => "weighted mean",
            Reduction::None => "none",
        }
    }
}

/// Everything that a call reads and writes, opened and found to fit.
struct Files {
    /// The shape of what belongs to a loss: that of the predictions, for rows without the last axis.
    losses: Vec<usize>,
    /// Of a loss of rows.
    classes: Option<usize>,
    pred: Npy,
    target: Npy,
    weights: Option<Npy>,
    class_weights: Option<Npy>,
    outputs: Outputs,
}

/// The files to write.
struct Outputs {
    grad: Option<Output>,
    each: Option<Output>,
    lse: Option<Output>,
    hits: Option<Output>,
}

pub fn run(args: &Args, choice: &Choice) -> Result<(), String> {
    let level = args.machine.level()?;
    let files = Files::open(args, choice)?;
    parallel::in_pool(args.machine.threads, || match files.pred.dtype {
        Dtype::F32 => evaluate::<f32>(args, choice, level, files),
        _ => evaluate::<f64>(args, choice, level, files),
    })
}

impl Files {
    fn open(args: &Args, choice: &Choice) -> Result<Files, String> {
        let pred = Npy::open(&args.pred)?;
        let target = Npy::open(&args.target)?;
        let weights = args.weights.as_deref().map(Npy::open).transpose()?;
        let class_weights = choice.file("class-weights").map(Npy::open).transpose()?;
        pred.check_floats()?;
        let (mut losses, mut classes) = (pred.shape.clone(), None);
        if choice.rows() {
            classes = losses.pop();
            if !matches!(classes, Some(1..)) {
                let shape = shape_text(&pred.shape);
                return Err(format!("{}: has shape {shape}, but must hold rows of classes", pred.name()));
            }
        }
        if classes.is_some() && !target.holds_floats() {
            check_shape(&target, &losses, &pred, ", a row each")?;
        } else {
            target.check_floats()?;
            check_shape(&target, &pred.shape, &pred, "")?;
        }
        if let Some(weights) = &weights {
            weights.check_floats()?;
            check_shape(weights, &losses, &pred, ", a row each")?;
        }
        if let (Some(weights), Some(classes)) = (&class_weights, classes) {
            weights.check_floats()?;
            check_shape(weights, &[classes], &pred, ", a class each")?;
        }
        let outputs = Outputs {
            grad: args.grad.as_deref().map(Output::at).transpose()?,
            each: args.each.as_deref().map(Output::at).transpose()?,
            lse: choice.file("lse").map(Output::at).transpose()?,
            hits: choice.file("hits").map(Output::at).transpose()?,
        };
        let Outputs { grad, each, lse, hits } = &outputs;
        output::check_apart(&grad.iter().chain(each).chain(lse).chain(hits).collect::<Vec<_>>())?;
        Ok(Files { losses, classes, pred, target, weights, class_weights, outputs })
    }
}

/// `each` says what it has a number for, where that is no prediction.
fn check_shape(other: &Npy, expected: &[usize], pred: &Npy, each: &str) -> Result<(), String> {
    if other.shape == expected {
        return Ok(());
    }
    let (found, of_pred) = (shape_text(&other.shape), shape_text(&pred.shape));
    let mut message = format!("{}: has shape {found} where {} has {of_pred}", other.name(), pred.name());
    if expected != pred.shape {
        message += &format!("{each}; it must have {}", shape_text(expected));
    }
    Err(message)
}

/// What was read of the targets.
enum Targets<F> {
    Floats(Vec<F>),
    Labels(Vec<i64>),
}

fn evaluate<F: Float>(args: &Args, choice: &Choice, level: Level, files: Files) -> Result<(), String> {
    let loss = choice.loss::<F>()?;
    loss.check().map_err(explain)?;
    let scale = F::from_f64(args.scale);
    if !scale.finite() {
        return Err(explain(Error::Parameter { name: "scale", value: scale, domain: "finite" }));
    }

    let Files { losses, classes, pred, target, weights, class_weights, outputs } = files;
    let (shape, count) = (pred.shape.clone(), losses.iter().product());
    let weights = weights.map(Npy::floats::<F>).transpose()?;
    let takes_part = |row: usize| weights.as_ref().is_none_or(|weights| weights.get(row) != Some(&F::ZERO));
    let is_bad = |row: usize, label: u64| {
        let ignored = i64::try_from(label).ok().is_some_and(|label| choice.ignore_index == Some(label));
        takes_part(row) && !ignored && label >= classes.unwrap_or(1) as u64
    };
    let mut arrays = Arrays {
        grad: outputs.grad.as_ref().map(|_| filled(pred.count, F::ZERO)).transpose()?,
        each: outputs.each.as_ref().map(|_| filled(count, F::ZERO)).transpose()?,
        lse: outputs.lse.as_ref().map(|_| filled(count, F::ZERO)).transpose()?,
        hits: outputs.hits.as_ref().map(|_| filled(count, false)).transpose()?,
        pred: pred.floats()?,
        classes,
        target: if target.holds_floats() {
            Targets::Floats(target.floats()?)
        } else {
            Targets::Labels(target.labels(is_bad)?)
        },
        weights,
        class_weights: class_weights.map(Npy::floats).transpose()?,
    };
    let start = Instant::now();
    let (total, value) = reduce(args, loss, level, scale, &losses, &mut arrays)?;
    let seconds = start.elapsed().as_secs_f64();

    let mut written = Vec::new();
    let Outputs { grad, each, lse, hits } = outputs;
    for (output, values, shape) in
        [(grad, &arrays.grad, &shape), (each, &arrays.each, &losses), (lse, &arrays.lse, &losses)]
    {
        if let (Some(mut output), Some(values)) = (output, values) {
            output.write(|out| npy::write(out, shape, values))?;
            written.push(output);
        }
    }
    if let (Some(mut output), Some(values)) = (hits, &arrays.hits) {
        output.write(|out| npy::write_flags(out, &losses, values))?;
        written.push(output);
    }
    let report = Report {
        loss: choice.asked.clone(),
        value: value.map(Number::from),
        bits: value.map(bits),
        count: total.count(),
        weight: match arrays.weights.is_some() || arrays.class_weights.is_some() {
            true => Number::from(total.weight()),
            false => Number::Count(total.count()),
        },
        dtype: F::NAME,
        level: level.name(),
        rounding: level.rounding().to_string(),
        threads: args.machine.threads,
        seconds,
        reduction: args.reduction.name(),
        counted: if classes.is_some() { "row" } else { "element" },
    };
    // Before the renames: if stdout fails, the call has failed, and files that were there must survive that.
    if args.json {
        console::say(&serde_json::to_string(&report).map_err(|error| error.to_string())?)?;
    } else {
        console::say(&report.to_string())?;
    }
    output::commit(written)
}

struct Arrays<F> {
    pred: Vec<F>,
    classes: Option<usize>,
    target: Targets<F>,
    weights: Option<Vec<F>>,
    class_weights: Option<Vec<F>>,
    grad: Option<Vec<F>>,
    each: Option<Vec<F>>,
    lse: Option<Vec<F>>,
    hits: Option<Vec<bool>>,
}

fn filled<T: Clone>(count: usize, value: T) -> Result<Vec<T>, String> {
    let mut values = npy::reserved(count)?;
    values.resize(count, value);
    Ok(values)
}

/// The total and its reduced value; the outputs are filled.
fn reduce<F: Float>(
    args: &Args,
    loss: Chosen<F>,
    level: Level,
    scale: F,
    losses: &[usize],
    arrays: &mut Arrays<F>,
) -> Result<(Total<F>, Option<F>), String> {
    let threads = args.machine.threads;
    let count = (arrays.pred.len() / arrays.classes.unwrap_or(1)) as u64;
    let rows = losses.first().map_or(1, |&rows| rows as u64);
    let Arrays { pred, classes, target, weights, class_weights, grad, each, lse, hits } = arrays;
    let target = match (target, *classes) {
        (Targets::Floats(target), None) => Target::Elements(target),
        (Targets::Floats(target), Some(classes)) => Target::Rows(classes, target),
        (Targets::Labels(labels), classes) => Target::Labels(classes.unwrap_or(1), labels),
    };
    let (weights, class_weights) = (weights.as_deref(), class_weights.as_deref());
    let inputs = Part { weights, class_weights, ..Part::of(pred, target) };

    // The gradient's factor must be known before the pass that writes it.
    let before = match args.reduction {
        Reduction::Mean => inputs.inputs().divisor(loss).map_err(explain)?,
        Reduction::WeightedMean if grad.is_some() => {
            Some(parallel::total(loss, inputs.inputs(), level, threads)?)
        }
        _ => None,
    };
    let divisor = match (args.reduction, &before) {
        (_, Some(before)) => before.weight(),
        (Reduction::Mean, None) => F::from_count(count),
        (Reduction::BatchMean, None) => F::from_count(rows),
        _ => F::ONE,
    };
    if divisor == F::ZERO {
        return Err(explain(Error::<F>::Empty));
    }
    // Of no gradient, there is none to be beyond the largest number.
    let factor = if grad.is_some() { scale / divisor } else { F::ONE };
    if !factor.finite() {
        return Err(format!("the gradient's factor, {scale:?} / {divisor:?}, is beyond any {}", F::NAME));
    }
    let (grad, each) = (grad.as_deref_mut(), each.as_deref_mut());
    let (log_sums, hits) = (lse.as_deref_mut(), hits.as_deref_mut());
    let batch = Part { grad, each, log_sums, hits, factor, ..inputs };
    let total = parallel::total(loss, batch, level, threads)?;
    let value = match (args.reduction, &before) {
        (Reduction::None, _) => return Ok((total, None)),
        (Reduction::Sum, _) => Ok(total.sum()),
        (Reduction::Mean, Some(before)) => total.over_weight_of(before),
        (Reduction::Mean, None) => total.mean(),
        (Reduction::BatchMean, _) => total.mean_over(rows),
        (Reduction::WeightedMean, _) => total.weighted_mean(),
    };
    Ok((total, Some(value.map_err(explain)?)))
}
