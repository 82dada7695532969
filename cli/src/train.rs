//! `train`: linear models on real data, each against the optimum that an independent solver found.
//!
//! Everything is in f64, from zero, with the crate's losses and slopes. Smooth losses are minimised by L-BFGS
//! ([`lbfgs`]), the absolute error by Huber's loss with a shrinking delta ([`smoothing`]). A run ends when its own
//! gradient shows that it is there; the stored optimum is for the report alone.

mod data;
mod lbfgs;
mod model;
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
use data::{BREAST_CANCER, DIABETES, DataSet, Task};
use lbfgs::Point;
use model::{Problem, excess};
use plot::Curve;
use progress::Progress;

/// A run ends when its gradient bounds its distance from the optimum by this, relatively.
const TOLERANCE: f64 = 1e-9;

/// Train linear models on real data, and compare with an independent solver's optimum
///
/// The data is in the binary. Training is in f64, from zero: mean loss + 0.0005 |w|^2. Every fifth row is held out; the
/// quality is R2 (diabetes) or accuracy (breast_cancer) there. An epoch is one pass over the training rows.
#[derive(clap::Args)]
pub struct Args {
    /// Only the runs on this data set: diabetes or breast_cancer
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// Only the runs with this loss: mse, mae or huber (diabetes), bce-with-logits (breast_cancer)
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
    loss: &'static str,
    /// What docs/optimum.py prints for it: the shortest number that reads back as the same bits.
    optimum: f64,
}

static RUNS: [Run; 4] = [
    Run { data: &DIABETES, loss: "mse", optimum: 0.468_346_146_667_152_74 },
    Run { data: &DIABETES, loss: "mae", optimum: 0.547_977_687_568_852_9 },
    Run { data: &DIABETES, loss: "huber", optimum: 0.223_753_718_925_247_9 },
    Run { data: &BREAST_CANCER, loss: "bce-with-logits", optimum: 0.065_277_105_309_68 },
];

/// What a run came to.
#[derive(Serialize)]
struct Outcome {
    data: &'static str,
    model: &'static str,
    loss: &'static str,
    objective: f64,
    optimum: f64,
    /// (objective - optimum) / optimum.
    gap: f64,
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
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let report = Report { runs, dtype, level: level.name(), rounding, threads };
    if let Some(mut plot) = plot {
        let svg = plot::svg(&report.runs.iter().map(Outcome::curve).collect::<Vec<_>>())?;
        plot.write(|file| file.write_all(svg.as_bytes()))?;
        output::commit([plot])?;
    }
    if args.json {
        return console::say(&serde_json::to_string(&report).map_err(|error| error.to_string())?);
    }
    console::say(&table(&report))
}

impl Outcome {
    fn curve(&self) -> Curve {
        let gap = |&(epoch, objective): &(usize, f64)| (epoch, (objective - self.optimum) / self.optimum);
        Curve {
            name: format!("{} ({})", self.loss, self.data),
            points: self.history.iter().map(gap).collect(),
        }
    }
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
    Err(format!(
        "no run is {}; the runs are {}",
        wishes.collect::<Vec<_>>().join(" "),
        all.collect::<Vec<_>>().join(", ")
    ))
}

fn train(run: &Run, level: Level, threads: usize, silent: bool) -> Result<Outcome, String> {
    let start = Instant::now();
    let loss = AnyLoss::named(run.loss, |_| None).ok_or_else(|| format!("there is no loss {}", run.loss))?;
    let (rows, held_out) = run.data.load()?;
    let problem = Problem::new(&rows, level, threads);
    let name = format!("{} {}", run.data.name, run.loss);
    let mut progress = Progress::new(name, -TOLERANCE.log10(), silent);
    let (mut history, mut last) = (Vec::new(), (0.0, 0.0));
    let mut watch = |objective, excess| {
        history.push((problem.epochs(), objective));
        last = (objective, excess);
        progress.step(problem.epochs(), objective, excess)
    };
    let Point { at, value: objective, .. } = match loss {
        AnyLoss::Mae(_) => smoothing::minimise(&problem, TOLERANCE, watch)?,
        _ => {
            let function = |at: &[f64], gradient: &mut [f64]| problem.objective(loss, 1.0, at, gradient);
            lbfgs::minimise(problem.zero(), function, |point| {
                let excess = excess(&point.gradient);
                watch(point.value, excess)?;
                Ok::<_, String>(excess <= TOLERANCE * point.value)
            })?
        }
    };
    progress.finish(problem.epochs(), last.0, last.1)?;
    let (measure, quality) = quality(run.data.task, &Problem::new(&held_out, level, threads), &at)?;
    Ok(Outcome {
        data: run.data.name,
        model: "linear",
        loss: run.loss,
        objective,
        optimum: run.optimum,
        gap: (objective - run.optimum) / run.optimum,
        quality,
        seconds: start.elapsed().as_secs_f64(),
        measure,
        history,
    })
}

/// R2 against the held-out mean, or the part of the held-out rows on the right side of logit 0.
fn quality(task: Task, held_out: &Problem, parameters: &[f64]) -> Result<(&'static str, f64), String> {
    let (pred, target) = (held_out.predict(parameters), held_out.target());
    let count = target.len() as f64;
    if task == Task::Binary {
        let right = pred.iter().zip(target).filter(|&(&logit, &target)| (logit > 0.0) == (target > 0.5));
        return Ok(("accuracy", right.count() as f64 / count));
    }
    let mut unused = vec![0.0; pred.len()];
    let mean = target.iter().sum::<f64>() / count;
    let around_mean = held_out.mean_loss(AnyLoss::Mse(Mse), 1.0, &vec![mean; pred.len()], &mut unused)?;
    let around_pred = held_out.mean_loss(AnyLoss::Mse(Mse), 1.0, &pred, &mut unused)?;
    Ok(("R2", 1.0 - around_pred / around_mean))
}

fn table(report: &Report) -> String {
    let mut text = format!(
        "{:14}{:16}{:>7}  {:22}{:22}{:>9}  {:18}{:>9}\n",
        "data", "loss", "epochs", "objective", "optimum", "gap", "quality", "seconds"
    );
    for run in &report.runs {
        let epochs = run.history.last().map_or(0, |&(epoch, _)| epoch);
        let quality = format!("{} {:.6}", run.measure, run.quality);
        let (data, loss, objective, optimum) = (run.data, run.loss, run.objective, run.optimum);
        let _ = writeln!(
            text,
            "{data:14}{loss:16}{epochs:7}  {objective:<22}{optimum:<22}{:9.1e}  {quality:18}{:9.4}",
            run.gap, run.seconds
        );
    }
    let Report { dtype, level, rounding, threads, .. } = report;
    let plural = if *threads == 1 { "" } else { "s" };
    text + &format!("Trained in {dtype} on {level} ({rounding}), {threads} thread{plural}.")
}
