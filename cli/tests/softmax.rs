//! Losses over rows of classes from the command: PyTorch's values, reductions, outputs, labels, threads and levels.

mod common;

use common::{Room, bytes_f32, npy};
use fused_loss::{AnyRowLoss, Level};
use serde_json::json;

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn numbers(field: &str) -> Vec<f64> {
    field.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// To some 1e-12 of what the numbers are made of, which is the file's own accuracy and the kernels' many times over.
fn near(found: f64, expected: f64) -> bool {
    found == expected
        || found.is_nan() && expected.is_nan()
        || (found - expected).abs() <= 1e-12 * (1.0 + expected.abs())
}

/// Options of the values' file as those of the command.
fn options(text: &str) -> String {
    let option = |pair: &str| match pair.split_once('=').unwrap() {
        ("smoothing_others", "0") => String::new(),
        ("smoothing_others", _) => "--smoothing-over-others ".into(),
        ("kind", kind) => format!("--targets {kind} "),
        (name, value) => format!("--{}={value} ", name.replace('_', "-")),
    };
    text.split_whitespace().map(option).collect()
}

#[test]
fn every_option_gives_the_values_of_pytorch() {
    let room = Room::new();
    let lines = include_str!("../../tests/suite/pytorch/row_values.tsv").lines();
    let mut seen = Vec::new();
    for line in lines.skip(2) {
        let fields: Vec<_> = line.split('\t').collect();
        let &[
            loss,
            given,
            end,
            classes,
            pred,
            target,
            labels,
            class_weights,
            weights,
            value,
            each,
            grad,
            lse,
        ] = &fields[..]
        else {
            panic!("{line}");
        };
        let (pred, classes) = (numbers(pred), classes.parse::<usize>().unwrap());
        let (shape, rows) =
            (format!("({}, {classes})", pred.len() / classes), format!("({},)", pred.len() / classes));
        room.put("p.npy", &npy("<f8", &shape, &f64s(&pred)));
        if labels.is_empty() {
            room.put("t.npy", &npy("<f8", &shape, &f64s(&numbers(target))));
        } else {
            let labels: Vec<u8> =
                numbers(labels).iter().flat_map(|&label| (label as i64).to_le_bytes()).collect();
            room.put("t.npy", &npy("<i8", &rows, &labels));
        }
        let name = if loss == "softmax-js" { "jensen-shannon" } else { loss };
        let mut run = format!(
            "eval {name} {} --pred p.npy --target t.npy --grad g.npy --each e.npy --reduction {end}",
            options(given)
        );
        for (option, values) in [("--class-weights", class_weights), ("--weights", weights)] {
            if !values.is_empty() {
                let file = format!("{}.npy", option.trim_matches('-'));
                room.put_f64(&file, &numbers(values));
                run += &format!(" {option} {file}");
            }
        }
        if !lse.is_empty() {
            run += " --lse l.npy";
        }
        let report = room.json(&run);
        let found =
            report["value"].as_f64().unwrap_or_else(|| report["value"].as_str().unwrap().parse().unwrap());
        assert!(near(found, value.parse().unwrap()), "{line}\n{found}");
        for (file, shape, expected) in
            [("g.npy", &shape, grad), ("e.npy", &rows, each), ("l.npy", &rows, lse)]
        {
            let expected = numbers(expected);
            if expected.is_empty() {
                continue;
            }
            let found = room.floats(file, "<f8", shape);
            assert!(
                found.iter().zip(&expected).all(|(&found, &expected)| near(found, expected)),
                "{line}\n{file}: {found:?}"
            );
        }
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    assert!(AnyRowLoss::<f64>::list().all(|loss| seen.contains(&loss.name)), "{seen:?}");
}

/// Four rows of ln 2 each but for one that is left out and one of ln 2 and two classes' weights.
fn halves() -> Room {
    let room = Room::new();
    room.put("p.npy", &npy("<f8", "(2, 2, 2)", &[0; 64]));
    let labels = |labels: [i64; 4]| npy("<i8", "(2, 2)", labels.map(i64::to_le_bytes).as_flattened());
    room.put("t.npy", &labels([0, 1, -100, 1]));
    room.put("none.npy", &labels([-100; 4]));
    room.put("w.npy", &npy("<f8", "(2, 2)", &f64s(&[2.0, 1.0, 9.0, 0.0])));
    room.put_f32("c.npy", &[0.5, 3.0]);
    room
}

#[test]
fn what_means_divide_by() {
    let room = halves();
    let ln2 = 2_f64.ln();
    for (given, sum, mean, weighted, weight) in [
        ("", 3.0, 3.0, None, 3.0),
        ("--class-weights c.npy", 6.5, 6.5, None, 6.5),
        ("--weights w.npy", 3.0, 3.0, Some(3.0), 3.0),
        ("--weights w.npy --class-weights c.npy", 4.0, 6.5, Some(4.0), 4.0),
    ] {
        let reductions = [
            ("sum", Some(1.0)),
            ("mean", Some(mean)),
            ("batch-mean", Some(2.0)),
            ("weighted-mean", weighted),
        ];
        for (reduction, divisor) in reductions {
            let Some(divisor) = divisor else { continue };
            let run = format!(
                "eval softmax-cross-entropy --pred p.npy --target t.npy {given} --reduction {reduction}"
            );
            let report = room.json(&format!("{run} --grad g.npy --each e.npy --scale 4"));
            assert!(near(report["value"].as_f64().unwrap(), sum * ln2 / divisor), "{run}: {report}");
            assert_eq!((&report["count"], report["weight"].as_f64()), (&json!(3), Some(weight)), "{run}");
            let each = room.floats("e.npy", "<f8", "(2, 2)");
            assert!(near(each.iter().sum(), sum * ln2) && each[2] == 0.0, "{run}");
            let grad = room.floats("g.npy", "<f8", "(2, 2, 2)");
            let first = each[0] / ln2 * 0.5 * 4.0 / divisor;
            assert!(
                near(grad[0], -first) && near(grad[1], first) && grad[4..6] == [0.0, 0.0],
                "{run}: {grad:?}"
            );
        }
    }
    let text = room.text("eval softmax-cross-entropy --pred p.npy --target t.npy --class-weights c.npy");
    assert!(text.contains("3 rows of f64, weights of sum 6.5"), "{text}");
}

#[test]
fn all_rows_left_out_sum_to_0() {
    let room = halves();
    for loss in ["softmax-cross-entropy", "nll"] {
        let run = format!("eval {loss} --pred p.npy --target none.npy --reduction");
        for reduction in ["sum", "batch-mean"] {
            let report = room.json(&format!("{run} {reduction} --grad g.npy"));
            assert_eq!((&report["value"], &report["count"]), (&json!(0.0), &json!(0)));
            assert_eq!(room.floats("g.npy", "<f8", "(2, 2, 2)"), [0.0; 8]);
        }
        let errors = String::from_utf8(room.run(&format!("{run} mean")).stderr).unwrap();
        assert!(errors.starts_with("fused-loss: mean of nothing"), "{errors}");
    }
}

#[test]
fn labels_of_every_type_and_ignored_ones_that_f32_rounds() {
    let room = Room::new();
    room.put("p.npy", &npy("<f4", "(2, 2)", &bytes_f32(&[-0.5, -1.0, -2.0, -4.0])));
    for (descr, bytes) in [
        ("|u1", vec![1, 7]),
        ("<u2", [1_u16, 7].map(u16::to_le_bytes).concat()),
        ("<u4", [1_u32, 7].map(u32::to_le_bytes).concat()),
        ("<u8", [1_u64, 7].map(u64::to_le_bytes).concat()),
        ("<i4", [1_i32, 7].map(i32::to_le_bytes).concat()),
        ("<i8", [1_i64, 7].map(i64::to_le_bytes).concat()),
    ] {
        room.put("t.npy", &npy(descr, "(2,)", &bytes));
        let report = room.json("eval nll --pred p.npy --target t.npy --ignore-index 7");
        assert_eq!((&report["value"], &report["count"]), (&json!(1.0), &json!(1)), "{descr}");
    }
    room.put("t.npy", &npy("<u4", "(2,)", &[1_u32, u32::MAX].map(u32::to_le_bytes).concat()));
    let run = "eval nll --pred p.npy --target t.npy --ignore-index";
    assert_eq!(room.json(&format!("{run} 4294967295"))["value"], 1.0);
    assert!(!room.run(&format!("{run} 4294967296")).status.success());
}

#[test]
fn log_sum_exps_and_hits() {
    let room = Room::new();
    room.put("p.npy", &npy("<f8", "(3, 2)", &f64s(&[1.0, 1.0, 2.0, f64::NEG_INFINITY, 0.0, 3.0])));
    room.put("t.npy", &npy("|u1", "(3,)", &[1, 0, 1]));
    for loss in ["softmax-cross-entropy", "softmax-kl", "jensen-shannon"] {
        let run = format!("eval {loss} --pred p.npy --target t.npy --temperature 2 --reduction none");
        for threads in [1, 3] {
            room.json(&format!("{run} --lse l.npy --hits h.npy --threads {threads}"));
            let log_sums = room.floats("l.npy", "<f8", "(3,)");
            let expected = [0.5 + 2_f64.ln(), 1.0, 1.5 + (-1.5_f64).exp().ln_1p()];
            assert!(
                log_sums.iter().zip(expected).all(|(&found, expected)| near(found, expected)),
                "{log_sums:?}"
            );
            // Of equal logits, the first one is the greatest.
            assert_eq!(room.get("h.npy"), npy("|u1", "(3,)", &[0, 1, 1]));
        }
    }
    room.put("p4.npy", &npy("<f4", "(3, 2)", &bytes_f32(&[50.0, 0.0, 0.0, 60.0, 0.0, 3.0])));
    room.json(
        "eval softmax-cross-entropy --pred p4.npy --target t.npy --lse l.npy --reduction none --each e.npy",
    );
    assert_eq!(room.floats("l.npy", "<f4", "(3,)")[..2], [50.0, 60.0]);
}

/// Numbers from -4 to 4 that look random.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mixed = |index: usize| {
        let mixed = (index as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    (0..count).map(|index| ((mixed(index) >> 40) as f32 / (1 << 21) as f32) - 4.0).collect()
}

#[test]
fn threads_and_levels_of_one_rounding_give_the_same_bits() {
    let room = Room::new();
    let (rows, classes) = (161, 37);
    let logits = noise(rows * classes, 1);
    let labels: Vec<u8> =
        (0..rows).map(|row| if row % 7 == 3 { 200 } else { (row * 5 % classes) as u8 }).collect();
    room.put("p.npy", &npy("<f4", &format!("({rows}, {classes})"), &bytes_f32(&logits)));
    room.put("t.npy", &npy("|u1", &format!("({rows},)"), &labels));
    room.put_f32("w.npy", &noise(rows, 2));
    room.put_f32("c.npy", &noise(classes, 3).iter().map(|x| x + 5.0).collect::<Vec<_>>());
    let softmax = "softmax-cross-entropy --ignore-index 200 --label-smoothing 0.1 --z-loss 0.01 --class-weights c.npy --lse l.npy --hits h.npy";
    for options in [
        softmax,
        "softmax-cross-entropy --ignore-index 200 --soft-cap 5",
        "nll --ignore-index 200 --class-weights c.npy",
    ] {
        for reduction in ["mean", "weighted-mean", "batch-mean"] {
            let run = format!(
                "eval {options} --pred p.npy --target t.npy --weights w.npy --grad g.npy --each e.npy --reduction {reduction}"
            );
            let mut seen: Vec<(_, _, _)> = Vec::new();
            for level in Level::available() {
                for threads in [1, 2, 3, 5, 100] {
                    let bits =
                        room.json(&format!("{run} --level {level} --threads {threads}"))["bits"].clone();
                    let files = room.everything();
                    match seen.iter().find(|(rounding, ..)| *rounding == level.rounding()) {
                        Some((_, others, same)) => {
                            assert!(*others == bits && *same == files, "{run} {level} {threads}")
                        }
                        None => seen.push((level.rounding(), bits, files)),
                    }
                }
            }
        }
    }
}

/// An error's place is counted from the whole, however the rows are shared out.
#[test]
fn errors_do_not_depend_on_threads() {
    let room = Room::new();
    let mut target = vec![0.5_f32; 400];
    (target[391], target[399]) = (-0.5, f32::NAN);
    let mut labels = [0_u8; 200];
    (labels[150], labels[199]) = (9, 8);
    room.put("p.npy", &npy("<f4", "(200, 2)", &bytes_f32(&[0.5; 400])));
    room.put("t.npy", &npy("<f4", "(200, 2)", &bytes_f32(&target)));
    room.put("l.npy", &npy("|u1", "(200,)", &labels));
    for threads in 1..8 {
        for (inputs, expected) in [
            ("--target t.npy", "target[391] is -0.5"),
            ("--target l.npy", "labels[150] is 9"),
            ("--target l.npy --ignore-index 9 --reduction sum", "labels[199] is 8"),
        ] {
            let run = format!("eval softmax-cross-entropy --pred p.npy {inputs} --threads {threads}");
            let errors = String::from_utf8(room.run(&run).stderr).unwrap();
            assert!(errors.contains(expected), "{threads}: {errors}");
        }
    }
}
