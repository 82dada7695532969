//! On a system: all levels of this machine, or `--write` for a new list, from a machine that has both classes.

use std::fs;
use std::process::ExitCode;

use bits::{compare, each};
use fused_loss::{Level, Rounding, Values};

pub fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--write") {
        return write();
    }
    let mut code = ExitCode::SUCCESS;
    for level in Level::available() {
        match compare(level) {
            Ok(cases) => println!("{level}, {}: identical, {cases} cases", level.rounding()),
            Err(difference) => {
                println!(
                    "{level}, {}: the first difference is {}: {:016x} where {:016x} is expected",
                    level.rounding(),
                    difference.case,
                    difference.found,
                    difference.expected
                );
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn write() -> ExitCode {
    let hashes = |rounding: Rounding| {
        let level = Level::available().find(|level| level.rounding() == rounding)?;
        let mut hashes = Vec::new();
        each(level, &mut |case, hash| {
            let other = case.other.map(|(parameter, value)| match parameter.values {
                Values::Choice(choices) => format!(" {}={}", parameter.name, choices[value as usize]),
                _ => format!(" {}={value}", parameter.name),
            });
            hashes.push((hash, format!("{} {}{}", case.precision, case.loss, other.unwrap_or_default())));
        });
        Some(hashes)
    };
    let (Some(unfused), Some(fused)) = (hashes(Rounding::Unfused), hashes(Rounding::Fused)) else {
        eprintln!("this machine has not both rounding classes");
        return ExitCode::FAILURE;
    };
    let lines: String = unfused
        .iter()
        .zip(&fused)
        .map(|((unfused, name), (fused, _))| format!("{unfused:016x} {fused:016x} {name}\n"))
        .collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/hashes.txt");
    if let Err(error) = fs::write(file, lines) {
        eprintln!("{file}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
