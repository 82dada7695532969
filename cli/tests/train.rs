//! `train`: each run of a linear model comes to the optimum that docs/optimum.py found, on every level.

mod common;

use common::Room;
use fused_loss::Level;
use serde_json::Value;

/// Data, model, loss, and the quality: of linear models that of docs/optimum.py.
const RUNS: [(&str, &str, &str, f64); 6] = [
    ("diabetes", "linear", "mse", 0.44702),
    ("diabetes", "linear", "mae", 0.42882),
    ("diabetes", "linear", "huber", 0.43989),
    ("breast_cancer", "linear", "bce-with-logits", 1.0),
    ("digits", "linear", "softmax-cross-entropy", 0.963788),
    ("digits", "network", "softmax-cross-entropy", 0.975),
];

/// The runs' objectives, checked.
fn objectives(report: &Value) -> Vec<f64> {
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), RUNS.len());
    runs.iter().zip(RUNS).map(|(run, expected)| objective(run, expected)).collect()
}

fn objective(run: &Value, (data, model, loss, quality): (&str, &str, &str, f64)) -> f64 {
    // A map of serde_json has its keys in order, whatever the text has.
    let keys: Vec<_> = run.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["data", "gap", "loss", "model", "objective", "optimum", "quality", "seconds"]);
    assert_eq!([&run["data"], &run["model"], &run["loss"]], [data, model, loss]);
    let number = |key: &str| run[key].as_f64().unwrap();
    let off = (number("quality") - quality).abs();
    if model == "linear" {
        let gap = (number("objective") - number("optimum")) / number("optimum");
        assert!((gap - number("gap")).abs() < 1e-12 && gap.abs() < 2e-9, "{loss}: gap {gap}");
        assert!(off < 1e-4, "{loss}: quality {}", number("quality"));
    } else {
        assert!(run["gap"].is_null() && run["optimum"].is_null() && number("objective") < 0.065);
        // The rounding class decides where a function that is not convex is left: by a few rows of 359.
        assert!(off < 0.01, "{loss}: quality {}", number("quality"));
    }
    assert!((0.0..60.0).contains(&number("seconds")));
    number("objective")
}

#[test]
fn every_level_comes_to_the_optimum_with_the_bits_of_its_class() {
    let room = Room::new();
    let mut seen = Vec::<(Value, Vec<f64>)>::new();
    for level in Level::available() {
        let report = room.json(&format!("train --level {level}"));
        assert_eq!([&report["level"], &report["dtype"]], [level.name(), "f64"]);
        let objectives = objectives(&report);
        for (rounding, same) in &seen {
            if *rounding == report["rounding"] {
                assert_eq!(*same, objectives, "{level}");
            }
        }
        seen.push((report["rounding"].clone(), objectives));
    }
    for threads in [2, 3] {
        let report = room.json(&format!("train --threads {threads}"));
        assert_eq!(seen.last().unwrap().1, objectives(&report), "{threads} threads");
    }
}

#[test]
fn options_choose_the_runs() {
    let room = Room::new();
    let losses = |args: &str| -> Vec<String> {
        let report = room.json(args);
        let runs = report["runs"].as_array().unwrap().iter();
        runs.map(|run| run["loss"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(losses("train --data diabetes"), ["mse", "mae", "huber"]);
    assert_eq!(losses("train --data breast_cancer"), ["bce-with-logits"]);
    assert_eq!(losses("train --data digits"), ["softmax-cross-entropy"; 2]);
    assert_eq!(losses("train --loss softmax-cross-entropy"), ["softmax-cross-entropy"; 2]);
    assert_eq!(losses("train --loss huber"), ["huber"]);
    assert_eq!(losses("train --data diabetes --loss mae"), ["mae"]);
}

#[test]
fn a_run_that_is_not_there_is_an_error_that_names_those_that_are() {
    let room = Room::new();
    for args in [
        "train --data iris",
        "train --loss kl-divergence --json",
        "train --data breast_cancer --loss mse --plot curves.svg",
    ] {
        let output = room.run(args);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}");
        assert!(output.stdout.is_empty() && errors.lines().count() == 1, "{args}: {errors}");
        for (data, _, loss, _) in RUNS {
            let run = format!("--data {data} --loss {loss}");
            assert_eq!(errors.matches(&run).count(), 1, "{args}: {errors}");
        }
    }
    for args in ["train --level abacus", "train --threads 0", "train --plot ."] {
        assert_eq!(room.run(args).status.code(), Some(2), "{args}");
    }
    assert!(room.everything().is_empty());
}

#[test]
fn people_get_lines_and_a_table() {
    let text = Room::new().text("train");
    for (data, model, loss, quality) in RUNS {
        let name =
            if model == "linear" { format!("{data} {loss}") } else { format!("{data} {loss} {model}") };
        assert!(text.contains(&format!("{name}: epoch")), "{text}");
        let row = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = row.into_iter().find(|row| row.starts_with(&[data, model, loss])).expect(&text);
        assert_eq!(row.len(), 10, "{text}");
        let measure = if data == "diabetes" { "R2" } else { "accuracy" };
        assert_eq!(row[7], measure, "{text}");
        assert!((row[8].parse::<f64>().unwrap() - quality).abs() < 0.01, "{text}");
    }
}

#[test]
fn plot_has_a_line_for_each_run() {
    let room = Room::new();
    room.json("train --plot curves.svg");
    let svg = String::from_utf8(room.get("curves.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for (data, _, loss, _) in RUNS {
        let lines = RUNS.iter().filter(|run| (run.0, run.2) == (data, loss)).count();
        assert_eq!(svg.matches(&format!("{loss} ({data})")).count(), lines, "{loss}");
    }
    assert!(svg.contains("epochs") && svg.contains("optimum"));
}
