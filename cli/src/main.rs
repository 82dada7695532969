//! The command `fused-loss`: the crate's losses from outside.

mod bench;
mod console;
mod cpu;
mod eval;
mod losses;
mod machine;
mod npy;
mod output;
mod parallel;
mod pattern;
mod report;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Loss functions for training: value and gradient in one fused pass, exact totals, the same bits everywhere
#[derive(Parser)]
#[command(name = "fused-loss", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::Args),
    Eval(eval::Args),
    Bench(bench::Args),
    Cpu(cpu::Args),
}

fn main() -> ExitCode {
    let mut command = Cli::command().mut_subcommand("eval", losses::add_to);
    let matches = command.get_matches_mut();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let outcome = match &cli.command {
        Command::Eval(args) => {
            let choice = losses::chosen(&mut command, &matches).unwrap_or_else(|error| error.exit());
            eval::run(args, &choice)
        }
        Command::Bench(args) => bench::run(args),
        Command::Cpu(args) => cpu::run(args),
        Command::Train(args) => train::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            console::complain(&message);
            ExitCode::from(2)
        }
    }
}
