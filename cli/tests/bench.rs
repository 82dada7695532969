//! `bench`: what it prints, and what it refuses. The times themselves are the machine's.

mod common;

use common::Room;
use fused_loss::{AnyLoss, AnyRowLoss, Level};
use serde_json::{Value, json};

const KEYS: [&str; 11] = [
    "dtype",
    "gb_per_s",
    "level",
    "loss",
    "mode",
    "ns_per_element",
    "of_stream",
    "stream_gb_per_s",
    "sum",
    "threads",
    "total_error_ulp",
];

/// The objects that `bench` prints, one a line, each with the numbers that the others imply.
fn rows(args: &str) -> Vec<Value> {
    let text = Room::new().text(&format!("bench {args} --json"));
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for row in &rows {
        let of_rows = row.get("rows").is_some();
        let sizes = if of_rows { &["classes", "rows"][..] } else { &["len"] };
        let mut keys: Vec<_> = KEYS.iter().chain(sizes).collect();
        keys.sort();
        assert!(row.as_object().unwrap().keys().eq(keys), "{row}");
        let number = |key: &str| row[key].as_f64().unwrap();
        for key in ["ns_per_element", "gb_per_s", "stream_gb_per_s", "of_stream"] {
            assert!(number(key) > 0.0 && number(key).is_finite(), "{row}");
        }
        // Each input and each output once, but for labels.
        let arrays = if row["mode"] == "value" { 2.0 } else { 3.0 } - if of_rows { 1.0 } else { 0.0 };
        let bytes = arrays * if row["dtype"] == "f32" { 4.0 } else { 8.0 };
        let near = |one: f64, other: f64| (one / other - 1.0).abs() < 1e-9;
        assert!(near(number("gb_per_s"), bytes / number("ns_per_element")), "{row}");
        assert!(near(number("of_stream"), number("gb_per_s") / number("stream_gb_per_s")), "{row}");
        if row["sum"] == "compensated" {
            assert!(number("total_error_ulp") <= 1.0, "{row}");
        }
    }
    rows
}

fn row(args: &str) -> Value {
    let mut rows = rows(args);
    assert_eq!(rows.len(), 1, "{args}");
    rows.remove(0)
}

fn names() -> Vec<&'static str> {
    AnyLoss::<f64>::list().map(|loss| loss.name).collect()
}

#[test]
fn without_a_loss_all_are_measured() {
    let found = rows("--len 7");
    let losses: Vec<_> = found.iter().map(|row| row["loss"].as_str().unwrap()).collect();
    assert_eq!(losses, names());
    for row in found {
        assert_eq!([&row["dtype"], &row["mode"], &row["sum"]], ["f32", "grad", "compensated"]);
        assert_eq!((&row["level"], &row["len"]), (&Level::detect().name().into(), &7.into()));
        assert_eq!(row["threads"], 1);
    }
}

#[test]
fn every_loss_has_a_reference() {
    let found = rows("--len 7 --level reference");
    let losses: Vec<_> = found.iter().map(|row| row["loss"].as_str().unwrap()).collect();
    assert_eq!(losses, names());
    assert!(found.iter().all(|row| row["level"] == "reference" && row["sum"] == "plain"));
}

#[test]
fn every_mode_dtype_and_level() {
    for mode in ["value", "grad", "inplace"] {
        for dtype in ["f32", "f64"] {
            for level in Level::available().map(Level::name).chain(["reference"]) {
                let row = row(&format!("huber --mode {mode} --dtype {dtype} --level {level} --len 33"));
                assert_eq!([&row["mode"], &row["dtype"], &row["level"]], [mode, dtype, level]);
            }
        }
    }
}

#[test]
fn rows_of_classes() {
    let of_rows = AnyRowLoss::<f64>::list().map(|loss| loss.name);
    let names: Vec<_> = ["categorical-cross-entropy"].into_iter().chain(of_rows).collect();
    for args in
        ["", "--mode value --dtype f64", "--mode inplace --level scalar", "--level reference", "--threads 2"]
    {
        let found = rows(&format!("--rows 70 --classes 33 {args}"));
        let losses: Vec<_> = found.iter().map(|row| row["loss"].as_str().unwrap()).collect();
        assert_eq!(losses, names, "{args}");
        assert!(found.iter().all(|row| (&row["rows"], &row["classes"]) == (&json!(70), &json!(33))));
    }
    let found = row("softmax-cross-entropy --mode value");
    assert_eq!((&found["rows"], &found["classes"]), (&json!(1_024), &json!(1_000)));
    let found = rows("mse nll categorical-cross-entropy --mode value");
    let sizes: Vec<_> = found.iter().map(|row| (&row["len"], &row["rows"])).collect();
    assert_eq!(
        sizes,
        [(&json!(16_384), &json!(null)), (&json!(null), &json!(1_024)), (&json!(16_384), &json!(null))]
    );
    assert_eq!(row("nll --rows 5 --mode inplace")["classes"], 1_000);
}

#[test]
fn in_place_every_loss_keeps_its_domain() {
    assert_eq!(rows("--mode inplace --len 100").len(), names().len());
}

#[test]
fn threads_share_the_blocks() {
    for mode in ["grad", "inplace"] {
        for level in ["auto", "reference"] {
            let row = row(&format!("mse --threads 2 --len 40000 --mode {mode} --level {level}"));
            assert_eq!((row["threads"].as_u64(), row["len"].as_u64()), (Some(2), Some(40_000)));
        }
    }
}

#[test]
fn compensation_shows_in_the_error_of_the_total() {
    let error = |level: &str| {
        let row = row(&format!("mse --len 1000000 --level {level}"));
        row["total_error_ulp"].as_f64().unwrap()
    };
    assert!(error("auto") <= 1.0 && error("reference") > 10.0);
}

#[test]
fn a_plain_sum_is_another_sum() {
    for args in
        ["--len 16000", "--len 40000 --threads 2 --mode inplace", "--len 100 --dtype f64 --mode value"]
    {
        let found = rows(&format!("{args} --sum plain"));
        assert!(found.len() == names().len() && found.iter().all(|row| row["sum"] == "plain"));
        // Of several losses, one at least is unlucky.
        let errors = found.iter().map(|row| row["total_error_ulp"].as_f64().unwrap());
        assert!(args != "--len 16000" || errors.fold(0.0, f64::max) > 0.55);
    }
}

#[test]
fn people_get_a_table() {
    let text = Room::new().text("bench mae mse --len 40");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].contains("40 elements of f32, 160 bytes an array; 1 thread"), "{text}");
    assert!(lines.iter().all(|line| line.len() <= 120), "{text}");
    let of = |name: &str| lines.iter().find(|line| line.starts_with(name)).copied().unwrap_or_default();
    assert!(text.find("\nmae ") < text.find("\nmse "), "not in the order asked for: {text}");
    for name in ["mse ", "mae "] {
        assert!(of(name).contains(" % ") && of(name).ends_with(" ULP"), "{text}");
        // Every column ends where its name does.
        assert_eq!(of(name).len(), of("loss  ").len(), "{text}");
    }
    let text = Room::new().text("bench mae nll --mode value");
    assert!(text.contains("16384 elements of f32, 64 KiB an array"), "{text}");
    assert!(text.contains("1024 rows of 1000 classes of f32, 3.9 MiB an array"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_an_error() {
    let lacking = ["avx2", "avx512"].into_iter().find(|name| Level::find(name).is_none());
    let level = lacking.map(|name| (format!("mse --level {name}"), "does not have the level"));
    let cases = [
        ("cosine", "cosine"),
        ("mse cosine --json", "cosine"),
        ("--len 0", "--len"),
        ("--len -1", "-1"),
        ("--len 18446744073709551615", "no memory"),
        ("--threads 0", "--threads"),
        ("--level mmx", "--level"),
        ("--mode sideways", "--mode"),
        ("--dtype f16", "--dtype"),
        ("--sum exact", "--sum"),
        ("mse --rows 3", "the loss mse has no --rows and --classes; it takes --len"),
        ("nll mse --classes 3", "the loss mse has no --rows and --classes; it takes --len"),
        (
            "softmax-cross-entropy --len 100",
            "the loss softmax-cross-entropy has no --len; it takes --rows and --classes",
        ),
        ("nll --rows 3 --len 100", "cannot be used with"),
        ("nll --rows 0", "--rows"),
        ("nll --classes -1", "-1"),
        ("nll --rows 4294967296 --classes 4294967296", "no memory"),
        ("nll --sum plain", "--sum plain is for losses of elements, and the loss nll has rows"),
        ("--rows 3 --sum plain", "--sum plain is for losses of elements"),
    ];
    let room = Room::new();
    for (args, says) in cases.map(|(args, says)| (args.to_string(), says)).into_iter().chain(level) {
        let output = room.run(&format!("bench {args}"));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}: {errors}");
        assert!(output.stdout.is_empty() && errors.contains(says), "{args}: {errors}");
        assert!(!errors.contains("panicked"), "{args}: {errors}");
    }
}
