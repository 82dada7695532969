//! `cpu`, and what every command does with its streams.

mod common;

use std::process::{Command, Stdio};

use common::Room;
use fused_loss::Level;

#[test]
fn cpu_names_every_level_once() {
    let room = Room::new();
    let cpu = room.json("cpu");
    assert_eq!(cpu["chosen"], Level::detect().name());
    let levels = cpu["levels"].as_array().unwrap();
    assert_eq!(levels.len(), Level::available().count());
    for (row, level) in levels.iter().zip(Level::available()) {
        assert_eq!(row["level"], level.name());
        assert_eq!(row["rounding"], level.rounding().to_string());
        assert_eq!(row["instructions"], level.instructions());
        if level.name() == "portable" {
            assert_eq!(cpu["portable"], level.instructions());
        }
    }
    let missing = cpu["missing"].as_array().unwrap();
    assert_eq!(levels.len() + missing.len(), 4);
    assert!(Level::names().count() <= 4, "a level that the command does not know");

    let text = room.text("cpu");
    for name in ["scalar", "portable", "avx2", "avx512"] {
        assert_eq!(text.lines().filter(|line| line.get(2..).is_some_and(|l| l.starts_with(name))).count(), 1);
    }
    assert!(text.contains(&format!("* {}", Level::detect().name())));
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_no_error() {
    let room = Room::new();
    room.put_f32("p.npy", &[1.0]);
    for args in ["cpu", "cpu --json", "eval mse --pred p.npy --target p.npy --grad g.npy", "--help"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_fused-loss"));
        command.current_dir(room.path()).args(args.split_whitespace());
        let output =
            command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args}");
        assert!(output.stderr.is_empty(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(room.floats("g.npy", "<f4", "(1,)"), [0.0]);
}

#[cfg(unix)]
#[test]
fn an_error_that_nobody_reads_is_still_an_error() {
    let room = Room::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_fused-loss"));
    command.current_dir(room.path()).args(["eval", "mse", "--pred", "no.npy", "--target", "no.npy"]);
    assert_eq!(command.stderr(writer).status().unwrap().code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_fails_and_changes_nothing() {
    let room = Room::new();
    room.put_f32("p.npy", &[1.0]);
    room.put("old.npy", b"old");
    let before = room.everything();
    for args in [
        "eval mse --pred p.npy --target p.npy --grad old.npy --each new.npy",
        "train --data diabetes --loss mse --json --plot old.npy",
        "train --data diabetes --loss mse --json --plot new.svg",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fused-loss"));
        command.args(args.split(' '));
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.current_dir(room.path()).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("fused-loss: stdout: "), "{args}");
        assert!(room.everything() == before, "{args}");
    }
}
