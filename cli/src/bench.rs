//! `bench`: what a loss costs, beside what the memory alone would cost, and how far off its total is.
//!
//! GB/s counts the necessary traffic alone: each input once, each output once. The memory test ([`stream`]) moves the
//! same bytes between the same arrays, in turn with the loss. Of rows, the labels are left out of both: they are a number
//! for each row, beside a row of numbers.

mod clock;
mod data;
mod exact;
mod kernel;
mod plain;
mod reference;
mod row_reference;
mod slices;
mod stream;
mod table;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use fused_loss::AnyRowLoss;
use serde::Serialize;

use crate::console;
use crate::losses::{self, Chosen};
use crate::machine::{self, LEVELS};
use crate::parallel::{in_pool, spread};
use data::Arrays;
use kernel::{Engine, Kernel};
use reference::Libm;
use slices::Slices;

/// Time losses against the memory's own speed, and show the error of their totals
///
/// Without LOSS, all losses of elements, and in the table for people those of rows too. The data is seeded. The loss and
/// the memory test take turns; times are medians of the best of each turn.
#[derive(clap::Args)]
pub struct Args {
    /// Only these losses
    #[arg(value_name = "LOSS", hide_possible_values = true, help = loss_help(),
          value_parser = PossibleValuesParser::new(losses::list().map(|loss| loss.name)))]
    losses: Vec<String>,
    /// The precision
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// How many elements [default: 16384]
    #[arg(long, value_name = "N", conflicts_with_all = ["rows", "classes"],
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    len: Option<usize>,
    /// How many rows of classes [default: 1024]
    #[arg(long, value_name = "R", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    rows: Option<usize>,
    /// How many classes a row has [default: 1000]
    #[arg(long, value_name = "K", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    classes: Option<usize>,
    /// The instructions to use; reference is a plain loop over libm, one number at a time
    #[arg(long, value_name = "LEVEL", default_value = "auto",
          value_parser = ["auto", LEVELS[0], LEVELS[1], LEVELS[2], LEVELS[3], REFERENCE])]
    level: String,
    /// How many threads share the work, that of the memory test too
    #[arg(long, value_name = "N", default_value = "1",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    threads: usize,
    /// What a call gives
    #[arg(long, value_enum, default_value = "grad")]
    mode: Mode,
    /// How the losses are added up
    #[arg(long, value_enum, default_value = "compensated")]
    sum: Sum,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

const REFERENCE: &str = "reference";

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Dtype {
    F32,
    F64,
}

#[derive(ValueEnum, Serialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// The loss
    Value,
    /// The loss and its gradient
    Grad,
    /// The loss, and its gradient over the predictions
    #[value(name = "inplace")]
    InPlace,
}

#[derive(ValueEnum, Serialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Sum {
    /// As every call of the crate does: with the rounding errors added up beside
    Compensated,
    /// As a plain loop does, to see what compensation costs
    Plain,
}

/// How much there is of the data.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
#[serde(untagged)]
enum Size {
    Elements { len: usize },
    Rows { rows: usize, classes: usize },
}

impl Size {
    /// How many predictions that is; too many for any memory stay so.
    fn elements(self) -> usize {
        match self {
            Size::Elements { len } => len,
            Size::Rows { rows, classes } => rows.saturating_mul(classes),
        }
    }
}

/// A measurement: the JSON object, field by field.
#[derive(Serialize, Debug)]
struct Row {
    loss: &'static str,
    dtype: &'static str,
    #[serde(flatten)]
    size: Size,
    level: &'static str,
    threads: usize,
    mode: Mode,
    sum: Sum,
    ns_per_element: f64,
    gb_per_s: f64,
    stream_gb_per_s: f64,
    /// Time of the memory test over time of the loss: 1 is as fast as memory.
    of_stream: f64,
    /// Against the exact sum of the losses of the elements, or of the rows; none where that is no number.
    total_error_ulp: Option<f64>,
}

fn loss_help() -> String {
    let names: Vec<_> = losses::list().map(|loss| loss.name).collect();
    format!("Only these losses, of {}", names.join(", "))
}

pub fn run(args: &Args) -> Result<(), String> {
    in_pool(args.threads, || match args.dtype {
        Dtype::F32 => bench::<f32>(args),
        Dtype::F64 => bench::<f64>(args),
    })
}

fn bench<F: Libm>(args: &Args) -> Result<(), String> {
    let kernels = kernels::<F>(args, engine(args)?)?;
    let mut last = None;
    for kernel in &kernels {
        let head = last.as_ref().is_none_or(|(size, _)| *size != kernel.size);
        let mut arrays = match last.take() {
            Some((_, arrays)) if !head => arrays,
            _ => Arrays::new(kernel.size, args.mode)?,
        };
        let row = measure(args, kernel, &mut arrays)?;
        last = Some((kernel.size, arrays));
        // One by one, for each takes its time.
        if args.json {
            console::say(&serde_json::to_string(&row).map_err(|error| error.to_string())?)?;
        } else {
            if head {
                console::say(&table::head(&row))?;
            }
            console::say(&table::line(&row))?;
        }
    }
    if args.json { Ok(()) } else { console::say(table::FOOT) }
}

/// What computes the losses, or an error that names the levels of this CPU.
fn engine(args: &Args) -> Result<Engine, String> {
    if args.level == REFERENCE {
        return Ok(Engine::Reference);
    }
    machine::level(&args.level).map(Engine::Level)
}

/// The losses asked for, or all that the sizes asked for fit.
fn names(args: &Args) -> Vec<&'static str> {
    let all = || losses::list().map(|loss| loss.name);
    let of_rows = |name: &str| AnyRowLoss::<f64>::list().any(|loss| loss.name == name);
    match &args.losses[..] {
        [] if args.rows.or(args.classes).is_some() => {
            losses::list().filter(|loss| loss.rows).map(|loss| loss.name).collect()
        }
        [] if args.json || args.len.is_some() || args.sum == Sum::Plain => {
            all().filter(|name| !of_rows(name)).collect()
        }
        [] => all().collect(),
        // Again from the list, whose names live as long as the program.
        asked => asked.iter().filter_map(|asked| all().find(|name| name == asked)).collect(),
    }
}

/// The size of a loss's data: rows for a loss over rows, and for any loss of rows where rows are asked for.
fn size<F: Libm>(args: &Args, name: &str, loss: Chosen<F>) -> Result<Size, String> {
    let rows = Size::Rows { rows: args.rows.unwrap_or(1_024), classes: args.classes.unwrap_or(1_000) };
    let asked = args.rows.or(args.classes).is_some();
    let may = losses::list().any(|loss| loss.name == name && loss.rows);
    match (loss, args.len) {
        (Chosen::Rows(_), Some(_)) => {
            Err(format!("the loss {name} has no --len; it takes --rows and --classes"))
        }
        (Chosen::Rows(_), None) => Ok(rows),
        (Chosen::Elements(_), _) if asked && may => Ok(rows),
        (Chosen::Elements(_), _) if asked => {
            Err(format!("the loss {name} has no --rows and --classes; it takes --len"))
        }
        (Chosen::Elements(_), len) => Ok(Size::Elements { len: len.unwrap_or(16_384) }),
    }
}

/// What to measure.
fn kernels<F: Libm>(args: &Args, engine: Engine) -> Result<Vec<Kernel<F>>, String> {
    // The plain loop adds plainly, whatever was asked for.
    let sum = if engine == Engine::Reference { Sum::Plain } else { args.sum };
    let mut kernels = Vec::new();
    for name in names(args) {
        let loss = Chosen::named(name, |_| None)?;
        let size = size(args, name, loss)?;
        let kernel = Kernel { name, loss, size, engine, sum, threads: args.threads };
        match kernel.missing() {
            None => kernels.push(kernel),
            Some(missing) if args.losses.is_empty() && engine == Engine::Reference => {
                console::complain(&format!("{missing}, and is left out"));
            }
            Some(missing) => return Err(missing),
        }
    }
    Ok(kernels)
}

fn measure<F: Libm>(args: &Args, kernel: &Kernel<F>, arrays: &mut Arrays<F>) -> Result<Row, String> {
    let &Args { threads, mode, .. } = args;
    let Kernel { name, loss, size, engine, .. } = *kernel;
    arrays.fill(name, loss);
    let total_error_ulp = kernel.total_error(arrays)?;

    let memory = |stores| {
        move |slices: Slices<'_, F>| {
            let block = slices.target.block();
            let fold = spread(
                slices,
                block,
                threads,
                |part| Ok(stream::pass(part, stores)),
                |one, other| one ^ other,
            )?;
            std::hint::black_box(fold);
            Ok(())
        }
    };
    let (plain, streaming) = (memory(stream::Stores::Plain), memory(stream::Stores::Streaming));
    let call = |slices: Slices<'_, F>| kernel.call(slices).map(|mean| _ = std::hint::black_box(mean));
    // The slower kind of stores is left out of the turns: streaming ones would put a gradient out of the cache that
    // stays there otherwise.
    let streams = mode != Mode::Value
        && stream::HAS_STREAMING_STORES
        && clock::fastest(arrays, &[&plain, &streaming])? == 1;
    let times = match streams {
        true => clock::medians(arrays, &[&call, &streaming])?,
        false => clock::medians(arrays, &[&call, &plain])?,
    };
    let (time, memory) = (times[0], times[1]);

    let inputs = if matches!(size, Size::Rows { .. }) { 1 } else { 2 };
    let outputs = if mode == Mode::Value { 0 } else { 1 };
    let bytes = ((inputs + outputs) * size.elements() * size_of::<F>()) as f64;
    Ok(Row {
        loss: name,
        dtype: F::NAME,
        size,
        level: engine.name(),
        threads,
        mode,
        sum: kernel.sum,
        ns_per_element: time / size.elements() as f64,
        gb_per_s: bytes / time,
        stream_gb_per_s: bytes / memory,
        of_stream: memory / time,
        total_error_ulp,
    })
}
