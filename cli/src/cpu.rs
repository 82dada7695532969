//! `cpu`: what this machine can run.

use std::fmt::Write;

use fused_loss::Level;
use serde::Serialize;

use crate::console;
use crate::machine::LEVELS;

/// Show the levels of this CPU, what they are made of, and which of them give the same bits
#[derive(clap::Args)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Cpu {
    arch: &'static str,
    /// What calls take by themselves.
    chosen: &'static str,
    /// What the portable level is made of here.
    portable: &'static str,
    levels: Vec<Row>,
    missing: Vec<&'static str>,
}

#[derive(Serialize)]
struct Row {
    level: &'static str,
    rounding: String,
    instructions: &'static str,
}

pub fn run(args: &Args) -> Result<(), String> {
    let row = |level: Level| Row {
        level: level.name(),
        rounding: level.rounding().to_string(),
        instructions: level.instructions(),
    };
    let cpu = Cpu {
        arch: std::env::consts::ARCH,
        chosen: Level::detect().name(),
        portable: Level::find("portable").map_or("", Level::instructions),
        levels: Level::available().map(row).collect(),
        missing: LEVELS.into_iter().filter(|name| Level::find(name).is_none()).collect(),
    };
    if args.json {
        return console::say(&serde_json::to_string(&cpu).map_err(|error| error.to_string())?);
    }
    console::say(&table(&cpu))
}

fn table(cpu: &Cpu) -> String {
    let mut text = format!("  {:10}{:10}made of ({})\n", "level", "rounding", cpu.arch);
    for Row { level, rounding, instructions } in &cpu.levels {
        let mark = if *level == cpu.chosen { '*' } else { ' ' };
        let _ = writeln!(text, "{mark} {level:10}{rounding:10}{instructions}");
    }
    for level in &cpu.missing {
        let _ = writeln!(text, "  {level:10}{:10}not on this CPU", "-");
    }
    text + "* is what calls take by themselves. Levels of one rounding give the same bits."
}
