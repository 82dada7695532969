//! `train`: linear models on real data, each against the optimum that an independent solver found, and a network.
//!
//! Everything is in f64 with the crate's losses and slopes. Smooth losses are minimised by L-BFGS ([`lbfgs`]), the
//! absolute error by Huber's loss with a shrinking delta ([`smoothing`]). A linear model starts from zero and ends when
//! its own gradient shows that it is there; the stored optimum is for the report alone. A network has no known optimum,
//! and ends after so many epochs.

mod data;
mod lbfgs;
mod model;
mod network;
mod plot;
mod progress;
mod smoothing;

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Instant;

use fused_loss::{AnyLoss, Level, Mse};
use serde::Serialize;

use crate::console;
use crate::machine::Machine;
use crate::output::{self, Output};
use crate::parallel::in_pool;
use data::{BREAST_CANCER, DIABETES, DIGITS, DataSet, Task};
use lbfgs::Point;
use model::{Loss, Problem};
use network::Network;
use plot::Curve;
use progress::{Goal, Progress};

/// A run ends when its gradient bounds its distance from the optimum by this, relatively.
const TOLERANCE: f64 = 1e-9;
/// The run of a network ends after this many epochs.
const EPOCHS: usize = 200;
/// Units between the layers of the network.
const HIDDEN: usize = 32;

/// Train models on real data, and compare the linear ones with an independent solver's optimum
///
/// The data is in the binary. Training is in f64: mean loss + 0.0005 |w|^2. Every fifth row is held out; the quality is
/// R2 (diabetes) or accuracy (breast_cancer, digits) there. An epoch is one pass over the training rows. Linear models
/// start from zero; the network has 32 tanh units, a fixed seed and no known optimum.
#[derive(clap::Args)]
pub struct Args {
    /// Only the runs on this data set: diabetes, breast_cancer or digits
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// Only the runs with this loss: mse, mae or huber (diabetes), bce-with-logits (breast_cancer),
    /// softmax-cross-entropy (digits)
    #[arg(long, value_name = "NAME")]
    loss: Option<String>,
    #[command(flatten)]
    machine: Machine,
    /// Where to draw how each run comes to its optimum
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// One thing to train.
struct Run {
    data: &'static DataSet,
    model: Model,
    loss: &'static str,
    /// What docs/optimum.py prints for it: the shortest number that reads back as the same bits.
    optimum: Option<f64>,
}

#[derive(Clone, Copy)]
enum Model {
    Linear,
    Network,
}

static RUNS: [Run; 6] = [
    Run::linear(&DIABETES, "mse", 0.468_346_146_667_152_74),
    Run::linear(&DIABETES, "mae", 0.547_977_687_568_852_9),
    Run::linear(&DIABETES, "huber", 0.223_753_718_925_247_9),
    Run::linear(&BREAST_CANCER, "bce-with-logits", 0.065_277_105_309_68),
    Run::linear(&DIGITS, "softmax-cross-entropy", 0.082_687_235_008_682_65),
    Run { data: &DIGITS, model: Model::Network, loss: "softmax-cross-entropy", optimum: None },
];

impl Model {
    fn name(self) -> &'static str {
        match self {
            Model::Linear => "linear",
            Model::Network => "network",
        }
    }
}

impl Run {
    const fn linear(data: &'static DataSet, loss: &'static str, optimum: f64) -> Self {
        Run { data, model: Model::Linear, loss, optimum: Some(optimum) }
    }

    /// The widths of its layers, from the features to the predictions.
    fn widths(&self, features: usize) -> Vec<usize> {
        let outputs = match self.data.task {
            Task::Classes(classes) => classes,
            _ => 1,
        };
        match self.model {
            Model::Linear => vec![features, outputs],
            Model::Network => vec![features, HIDDEN, outputs],
        }
    }
}

/// What a run came to.
#[derive(Serialize)]
struct Outcome {
    data: &'static str,
    model: &'static str,
    loss: &'static str,
    objective: f64,
    optimum: Option<f64>,
    /// (objective - optimum) / optimum.
    gap: Option<f64>,
    quality: f64,
    seconds: f64,
    /// What the quality is.
    #[serde(skip)]
    measure: &'static str,
    /// The objective after each step, and the epoch it was reached in.
    #[serde(skip)]
    history: Vec<(usize, f64)>,
}

#[derive(Serialize)]
struct Report {
    runs: Vec<Outcome>,
    dtype: &'static str,
    level: &'static str,
    rounding: String,
    threads: usize,
}

pub fn run(args: &Args) -> Result<(), String> {
    let chosen = choose(args)?;
    let level = args.machine.level()?;
    // Before the work: a place that cannot be written to is told at once.
    let plot = args.plot.as_deref().map(Output::at).transpose()?;
    let (dtype, rounding, threads) = ("f64", level.rounding().to_string(), args.machine.threads);
    let runs = chosen.into_iter().map(|run| train(run, level, threads, args.json));
    let runs = in_pool(threads, || runs.collect::<Result<Vec<_>, _>>())?;
    let report = Report { runs, dtype, level: level.name(), rounding, threads };
    let written = plot.map(|mut plot| {
        let svg = plot::svg(&report.runs.iter().map(Outcome::curve).collect::<Vec<_>>())?;
        plot.write(|file| file.write_all(svg.as_bytes()))?;
        Ok::<_, String>(plot)
    });
    let written = written.transpose()?;
    let text = match args.json {
        true => serde_json::to_string(&report).map_err(|error| error.to_string())?,
        false => table(&report),
    };
    // Said before the file takes its place: an existing one survives where that fails.
    console::say(&text)?;
    output::commit(written)
}

impl Outcome {
    fn curve(&self) -> Curve {
        let (name, history) = (format!("{} ({})", self.loss, self.data), self.history.iter());
        match self.optimum {
            Some(optimum) => Curve {
                name,
                to_optimum: true,
                points: history.map(|&(epoch, objective)| (epoch, gap(objective, optimum))).collect(),
            },
            None => Curve { name, to_optimum: false, points: history.copied().collect() },
        }
    }
}

fn gap(objective: f64, optimum: f64) -> f64 {
    (objective - optimum) / optimum
}

/// The runs that the options leave, or an error that names all there are.
fn choose(args: &Args) -> Result<Vec<&'static Run>, String> {
    let wanted = |wish: &Option<String>, name| wish.as_ref().is_none_or(|wish| wish == name);
    let fits = |run: &&Run| wanted(&args.data, run.data.name) && wanted(&args.loss, run.loss);
    let chosen: Vec<_> = RUNS.iter().filter(fits).collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let wish = |option, wish: &Option<String>| wish.as_ref().map(|wish| format!("--{option} {wish}"));
    let wishes = [wish("data", &args.data), wish("loss", &args.loss)].into_iter().flatten();
    let all = RUNS.iter().map(|run| format!("--data {} --loss {}", run.data.name, run.loss));
    let mut all: Vec<_> = all.collect();
    all.dedup();
    Err(format!("no run is {}; the runs are {}", wishes.collect::<Vec<_>>().join(" "), all.join(", ")))
}

fn train(run: &Run, level: Level, threads: usize, silent: bool) -> Result<Outcome, String> {
    let start = Instant::now();
    let loss = Loss::named(run.loss).ok_or_else(|| format!("there is no loss {}", run.loss))?;
    let (rows, held_out) = run.data.load()?;
    let network = Network::new(&run.widths(rows.columns));
    let problem = Problem::new(&rows, &network, level, threads);
    let (name, goal) = match run.model {
        Model::Linear => (format!("{} {}", run.data.name, run.loss), Goal::Digits(-TOLERANCE.log10())),
        Model::Network => (format!("{} {} network", run.data.name, run.loss), Goal::Epochs(EPOCHS)),
    };
    let mut progress = Progress::new(name, goal, silent);
    let (mut history, mut last) = (Vec::new(), (0.0, 0.0));
    let mut watch = |objective, excess| {
        history.push((problem.epochs(), objective));
        last = (objective, excess);
        progress.step(problem.epochs(), objective, excess)
    };
    let Point { at, value: objective, .. } = match loss {
        Loss::Elements(AnyLoss::Mae(_)) => smoothing::minimise(&problem, TOLERANCE, watch)?,
        _ => {
            let function = |at: &[f64], gradient: &mut [f64]| problem.objective(loss, 1.0, at, gradient);
            lbfgs::minimise(problem.start(), function, |point| {
                let excess = problem.excess(&point.gradient);
                watch(point.value, excess)?;
                Ok::<_, String>(match run.model {
                    Model::Linear => excess <= TOLERANCE * point.value,
                    Model::Network => problem.epochs() >= EPOCHS,
                })
            })?
        }
    };
    progress.finish(problem.epochs(), last.0, last.1)?;
    let (measure, quality) = quality(run.data.task, &Problem::new(&held_out, &network, level, threads), &at)?;
    Ok(Outcome {
        data: run.data.name,
        model: run.model.name(),
        loss: run.loss,
        objective,
        optimum: run.optimum,
        gap: run.optimum.map(|optimum| gap(objective, optimum)),
        quality,
        seconds: start.elapsed().as_secs_f64(),
        measure,
        history,
    })
}

/// R2 against the held-out mean, or the part of the held-out rows whose class the logits tell.
fn quality(task: Task, held_out: &Problem, parameters: &[f64]) -> Result<(&'static str, f64), String> {
    let (pred, target) = (held_out.predict(parameters), held_out.target());
    let count = target.len() as f64;
    match task {
        Task::Classes(_) => Ok(("accuracy", held_out.hits(parameters)?)),
        Task::Binary => {
            let right = pred.iter().zip(target).filter(|&(&logit, &target)| (logit > 0.0) == (target > 0.5));
            Ok(("accuracy", right.count() as f64 / count))
        }
        Task::Regression => {
            let mse = |pred: &[f64]| {
                let loss = Loss::Elements(AnyLoss::Mse(Mse));
                held_out.mean_loss(loss, 1.0, pred, &mut vec![0.0; pred.len()])
            };
            let mean = target.iter().sum::<f64>() / count;
            Ok(("R2", 1.0 - mse(&pred)? / mse(&vec![mean; pred.len()])?))
        }
    }
}

fn table(report: &Report) -> String {
    let mut text = format!(
        "{:14}{:8}{:22}{:>7}  {:15}{:15}{:>8}  {:17}{:>8}\n",
        "data", "model", "loss", "epochs", "objective", "optimum", "gap", "quality", "seconds"
    );
    for run in &report.runs {
        let epochs = run.history.last().map_or(0, |&(epoch, _)| epoch);
        let unknown = || "-".to_string();
        let optimum = run.optimum.map_or_else(unknown, |optimum| format!("{optimum:.11}"));
        let gap = run.gap.map_or_else(unknown, |gap| format!("{gap:.1e}"));
        let quality = format!("{} {:.6}", run.measure, run.quality);
        let (data, model, loss, objective) = (run.data, run.model, run.loss, run.objective);
        let _ = writeln!(
            text,
            "{data:14}{model:8}{loss:22}{epochs:7}  {objective:<15.11}{optimum:15}{gap:>8}  {quality:17}{:8.3}",
            run.seconds
        );
    }
    let Report { dtype, level, rounding, threads, .. } = report;
    let plural = if *threads == 1 { "" } else { "s" };
    text + &format!("Trained in {dtype} on {level} ({rounding}), {threads} thread{plural}.")
}
