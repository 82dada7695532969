//! `bench`: what a loss costs, beside what the memory alone would cost, and how far off its total is.
//!
//! GB/s counts the necessary traffic alone: each input once, each output once. The memory test ([`stream`]) moves the
//! same bytes between the same arrays, in turn with the loss. Losses over rows of classes will be a second form of
//! [`data::Arrays`] and of [`kernel::Kernel`]; the clock and the table know neither.

mod clock;
mod data;
mod exact;
mod kernel;
mod plain;
mod reference;
mod slices;
mod stream;
mod table;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use fused_loss::{AnyLoss, Total};
use serde::Serialize;

use crate::console;
use crate::machine::{self, LEVELS};
use crate::parallel::spread;
use data::Arrays;
use kernel::{Engine, Kernel};
use reference::Libm;
use slices::Slices;

/// Time losses against the memory's own speed, and show the error of their totals
///
/// Without LOSS, all of them. The data is seeded. Times are medians, each of the loss and of the memory test in turn.
#[derive(clap::Args)]
pub struct Args {
    /// Only these losses
    #[arg(value_name = "LOSS", hide_possible_values = true, help = loss_help(),
          value_parser = PossibleValuesParser::new(AnyLoss::<f64>::list().map(|loss| loss.name)))]
    losses: Vec<String>,
    /// The precision
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// How many elements
    #[arg(long, value_name = "N", default_value = "16384",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    len: usize,
    /// The instructions to use; reference is a plain loop over libm, one number at a time
    #[arg(long, value_name = "LEVEL", default_value = "auto",
          value_parser = ["auto", LEVELS[0], LEVELS[1], LEVELS[2], LEVELS[3], REFERENCE])]
    level: String,
    /// How many threads share the work; each call starts them anew, the memory test too
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

/// A measurement: the JSON object, field by field.
#[derive(Serialize, Debug)]
struct Row {
    loss: &'static str,
    dtype: &'static str,
    len: usize,
    level: &'static str,
    threads: usize,
    mode: Mode,
    sum: Sum,
    ns_per_element: f64,
    gb_per_s: f64,
    stream_gb_per_s: f64,
    /// Time of the memory test over time of the loss: 1 is as fast as memory.
    of_stream: f64,
    /// Against the exact sum of the losses of the elements; none where that is no number.
    total_error_ulp: Option<f64>,
}

fn loss_help() -> String {
    let names: Vec<_> = AnyLoss::<f64>::list().map(|loss| loss.name).collect();
    format!("Only these losses, of {}", names.join(", "))
}

pub fn run(args: &Args) -> Result<(), String> {
    match args.dtype {
        Dtype::F32 => bench::<f32>(args),
        Dtype::F64 => bench::<f64>(args),
    }
}

fn bench<F: Libm>(args: &Args) -> Result<(), String> {
    let engine = engine(args)?;
    let kernels = kernels::<F>(args, engine)?;
    let mut arrays = Arrays::new(args.len, args.mode)?;
    for (index, kernel) in kernels.iter().enumerate() {
        let row = measure(args, kernel, &mut arrays)?;
        // One by one, for each takes its time.
        if args.json {
            console::say(&serde_json::to_string(&row).map_err(|error| error.to_string())?)?;
        } else {
            if index == 0 {
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

/// What to measure: the losses asked for, or all that there are.
fn kernels<F: Libm>(args: &Args, engine: Engine) -> Result<Vec<Kernel<F>>, String> {
    let all = || AnyLoss::<F>::list().map(|loss| loss.name);
    let names: Vec<_> = match &args.losses[..] {
        [] => all().collect(),
        // Again from the list, whose names live as long as the program.
        asked => asked.iter().filter_map(|asked| all().find(|name| name == asked)).collect(),
    };
    // The plain loop adds plainly, whatever was asked for.
    let sum = if engine == Engine::Reference { Sum::Plain } else { args.sum };
    let mut kernels = Vec::new();
    for name in names {
        let loss = AnyLoss::named(name, |_| None).ok_or_else(|| format!("there is no loss {name}"))?;
        let kernel = Kernel { name, loss, engine, sum, threads: args.threads, count: args.len };
        match kernel.missing() {
            None => kernels.push(kernel),
            Some(missing) if args.losses.is_empty() => {
                console::complain(&format!("{missing}, and is left out"));
            }
            Some(missing) => return Err(missing),
        }
    }
    Ok(kernels)
}

fn measure<F: Libm>(args: &Args, kernel: &Kernel<F>, arrays: &mut Arrays<F>) -> Result<Row, String> {
    let &Args { len, threads, mode, .. } = args;
    let Kernel { name, loss, engine, .. } = *kernel;
    arrays.fill(name, loss);
    let total_error_ulp = kernel.total_error(arrays)?;

    let memory = |stores| {
        move |slices: Slices<'_, F>| {
            let fold = spread(
                slices,
                Total::<F>::BLOCK,
                threads,
                |part, _| Ok(stream::pass(part, stores)),
                |one, other| one ^ other,
            )?;
            std::hint::black_box(fold);
            Ok(())
        }
    };
    let (plain, streaming) = (memory(stream::Stores::Plain), memory(stream::Stores::Streaming));
    let call = |slices: Slices<'_, F>| kernel.call(slices).map(|mean| _ = std::hint::black_box(mean));
    let times = if mode != Mode::Value && stream::HAS_STREAMING_STORES {
        clock::medians(arrays, &[&call, &plain, &streaming])?
    } else {
        clock::medians(arrays, &[&call, &plain])?
    };
    let (time, memory) = (times[0], times[1..].iter().copied().fold(f64::INFINITY, f64::min));

    let arrays_moved = if mode == Mode::Value { 2 } else { 3 };
    let bytes = (arrays_moved * len * size_of::<F>()) as f64;
    Ok(Row {
        loss: name,
        dtype: F::NAME,
        len,
        level: engine.name(),
        threads,
        mode,
        sum: kernel.sum,
        ns_per_element: time / len as f64,
        gb_per_s: bytes / time,
        stream_gb_per_s: bytes / memory,
        of_stream: memory / time,
        total_error_ulp,
    })
}
