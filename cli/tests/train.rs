//! `train`: each run comes to the optimum that docs/optimum.py found, on every level.

mod common;

use common::Room;
use fused_loss::Level;
use serde_json::Value;

const RUNS: [(&str, &str, f64); 4] = [
    ("diabetes", "mse", 0.44702),
    ("diabetes", "mae", 0.42882),
    ("diabetes", "huber", 0.43989),
    ("breast_cancer", "bce-with-logits", 1.0),
];

/// The runs' objectives, checked.
fn objectives(report: &Value) -> Vec<f64> {
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), RUNS.len());
    runs.iter().zip(RUNS).map(|(run, expected)| objective(run, expected)).collect()
}

fn objective(run: &Value, (data, loss, quality): (&str, &str, f64)) -> f64 {
    // A map of serde_json has its keys in order, whatever the text has.
    let keys: Vec<_> = run.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["data", "gap", "loss", "model", "objective", "optimum", "quality", "seconds"]);
    assert_eq!([&run["data"], &run["model"], &run["loss"]], [data, "linear", loss]);
    let number = |key: &str| run[key].as_f64().unwrap();
    let gap = (number("objective") - number("optimum")) / number("optimum");
    assert!((gap - number("gap")).abs() < 1e-12 && gap.abs() < 2e-9, "{loss}: gap {gap}");
    // Qualities of docs/optimum.py.
    assert!((number("quality") - quality).abs() < 1e-4, "{loss}: quality {}", number("quality"));
    assert!((0.0..20.0).contains(&number("seconds")));
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
    assert_eq!(seen.last().unwrap().1, objectives(&room.json("train --threads 3")));
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
        for (data, loss, _) in RUNS {
            assert!(errors.contains(&format!("--data {data} --loss {loss}")), "{args}: {errors}");
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
    for (data, loss, _) in RUNS {
        assert!(text.contains(&format!("{data} {loss}: epoch")), "{text}");
        assert!(
            text.lines().any(|line| line.starts_with(data) && line.split_whitespace().nth(1) == Some(loss))
        );
    }
}

#[test]
fn plot_has_a_line_for_each_run() {
    let room = Room::new();
    room.json("train --plot curves.svg");
    let svg = String::from_utf8(room.get("curves.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for (data, loss, _) in RUNS {
        assert!(svg.contains(&format!("{loss} ({data})")), "{loss}");
    }
    assert!(svg.contains("epochs") && svg.contains("optimum"));
}
