//! A folder with .npy files, and the command run in it.
#![allow(dead_code)] // each test file uses its own part

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

pub struct Room(TempDir);

impl Room {
    pub fn new() -> Room {
        Room(TempDir::new().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    /// An array of one dimension.
    pub fn put_f32(&self, name: &str, values: &[f32]) {
        self.put(name, &npy("<f4", &format!("({},)", values.len()), &bytes_f32(values)));
    }

    pub fn put_f64(&self, name: &str, values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.put(name, &npy("<f8", &format!("({},)", values.len()), &bytes));
    }

    pub fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    /// The numbers of an .npy file that the command wrote, whose header must be this.
    pub fn floats(&self, name: &str, descr: &str, shape: &str) -> Vec<f64> {
        let file = self.get(name);
        let start = npy(descr, shape, &[]);
        assert_eq!(start.len() % 64, 0);
        let data = file.strip_prefix(&start[..]).unwrap_or_else(|| panic!("{name} is not {descr} {shape}"));
        match descr {
            "<f4" => data.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x).into()).collect(),
            _ => data.as_chunks().0.iter().map(|&x| f64::from_le_bytes(x)).collect(),
        }
    }

    /// Every file and what it holds.
    pub fn everything(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let entries = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).ok())).collect()
    }

    /// Runs the command, its arguments separated by spaces.
    pub fn run(&self, args: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fused-loss"));
        command.current_dir(self.path()).args(args.split_whitespace()).output().unwrap()
    }

    /// Runs a command that must succeed; what it prints.
    pub fn text(&self, args: &str) -> String {
        let output = self.run(args);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && errors.is_empty(), "{args}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command with `--json`; its object.
    pub fn json(&self, args: &str) -> Value {
        serde_json::from_str(&self.text(&format!("{args} --json"))).unwrap()
    }
}

pub fn bytes_f32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A file as NumPy writes it.
pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy_of(1, &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"), data)
}

/// A file with any header.
pub fn npy_of(version: u8, dict: &str, data: &[u8]) -> Vec<u8> {
    let length_bytes = if version == 1 { 2 } else { 4 };
    let start = 8 + length_bytes;
    let length = (start + dict.len() + 1).next_multiple_of(64) - start;
    let mut file = b"\x93NUMPY".to_vec();
    file.extend([version, 0]);
    file.extend(&(length as u32).to_le_bytes()[..length_bytes]);
    file.extend(format!("{dict:<width$}\n", width = length - 1).bytes());
    file.extend(data);
    file
}

/// A malformed call: its name, its arguments, and what stderr says.
pub type BadCall = (&'static str, &'static str, &'static str);

/// Each call must get its error and status 2, leave nothing behind and harm nothing that was there. A letter stands for
/// the arguments that most calls have.
pub fn check_refused(room: &Room, calls: &[BadCall], (letter, stands_for): (char, &str)) {
    let before = room.everything();
    for &(name, args, expected) in calls {
        let output = room.run(&args.replace(letter, stands_for));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(expected), "{name}: {errors}");
        assert_eq!(output.status.code(), Some(2), "{name}: {errors}");
        assert!(output.stdout.is_empty(), "{name}");
        assert!(!errors.contains("panicked"), "{name}: {errors}");
        let own = errors.starts_with("fused-loss: ");
        assert!(if own {
            errors.lines().count() == 1
        } else {
            errors.contains("Usage:") || errors.contains("--help")
        });
        assert!(room.everything() == before, "{name} has changed files");
        assert_eq!(fs::read_dir(room.path().join("folder")).unwrap().count(), 0, "{name}");
    }
}
